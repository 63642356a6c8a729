import { Drawer } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'

import { errorText } from '../../api/client'
import { deliveryQuery } from '../../api/triggerQueries'
import type { Delivery, Trigger } from '../../api/types'
import { DeliveryBadge } from '../../triggers/badges'
import { Loading } from '../../ui/Loading'
import { Notice } from '../../ui/Notice'

import { DeliveryActs } from './DeliveryActs'
import { DeliveryFacts } from './DeliveryFacts'
import { DeliveryBody, Pairs } from './DeliveryBody'

type Props = { id: string; trigger: Trigger; onOpen: (id: string) => void; onClose: () => void }

/** What is still under way is asked for again until it is decided. */
const isOpen = (delivery: Delivery | undefined): boolean =>
  delivery !== undefined && ['received', 'queued', 'held'].includes(delivery.status)

/** One delivery, opened beside the list. */
export function DeliveryDrawer({ id, trigger, onOpen, onClose }: Props) {
  const { data, error } = useQuery({
    ...deliveryQuery(id),
    refetchInterval: (query) => (isOpen(query.state.data) ? 1_500 : false),
  })
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size={600}
      title={trigger.kind === 'schedule' ? 'Fire' : 'Delivery'}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {error && <Notice>{errorText(error)}</Notice>}
      {!data && !error && <Loading />}
      {data && (
        <div className="delivery">
          <div className="delivery-head">
            <DeliveryBadge delivery={data} />
            <span className="dim mono clip grow">{data.id}</span>
          </div>
          <DeliveryActs delivery={data} onOpen={onOpen} />
          <DeliveryFacts delivery={data} trigger={trigger} onOpen={onOpen} />
          {trigger.kind !== 'schedule' && (
            <>
              <Pairs title="Query" value={data.query ?? {}} />
              <Pairs title="Headers" value={data.headers} />
              <DeliveryBody delivery={data} />
            </>
          )}
        </div>
      )}
    </Drawer>
  )
}
