import { ApiError, errorText } from '../../api/client'
import type { Approval } from '../../api/types'

export type Trouble = { tone: 'waiting' | 'failed'; text: string }

/** Why a decision did not count, said to the person who made it. */
export function troubleOf(error: unknown, approval: Pick<Approval, 'approvers'>): Trouble {
  const code = error instanceof ApiError ? error.code : ''
  switch (code) {
    case 'approval_decided':
      return { tone: 'waiting', text: 'Somebody decided before you. Their answer counts, and yours changed nothing.' }
    case 'approval_changed':
      return {
        tone: 'waiting',
        text: 'What is to be decided has changed meanwhile. Here it is as it is now: look again, then decide.',
      }
    case 'not_an_approver':
      return {
        tone: 'failed',
        text: `This is for ${approval.approvers.join(' or ') || 'others'} to decide, and you are not among them.`,
      }
    case 'run_finished':
      return { tone: 'waiting', text: 'The run has ended meanwhile, so there is nothing left to decide.' }
    default:
      return { tone: 'failed', text: errorText(error) }
  }
}
