import { useQueryClient } from '@tanstack/react-query'

const stale = ['triggers', 'trigger', 'deliveries', 'delivery']

/** Whatever shows triggers or what came to them is asked again. */
export function useRefresh(): () => Promise<unknown> {
  const client = useQueryClient()
  return () => Promise.all(stale.map((key) => client.invalidateQueries({ queryKey: [key] })))
}
