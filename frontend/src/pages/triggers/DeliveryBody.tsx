import type { Delivery, JsonObject } from '../../api/types'
import { bodyOf } from '../../triggers/body'
import { JsonView } from '../../ui/JsonView'

/** Names and values as they came. */
export function Pairs({ title, value }: { title: string; value: JsonObject }) {
  const entries = Object.entries(value)
  if (!entries.length) return null
  return (
    <section aria-label={title}>
      <h3 className="card-title">{title}</h3>
      <dl className="facts is-mono">
        {entries.map(([name, entry]) => (
          <div key={name} className="fact">
            <dt>{name}</dt>
            <dd>{typeof entry === 'string' ? entry : JSON.stringify(entry)}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

/** The body as far as it is shown: as JSON, as text, or in base64 when it is neither. */
export function DeliveryBody({ delivery }: { delivery: Delivery }) {
  const body = bodyOf(delivery)
  return (
    <section aria-label="Body">
      <h3 className="card-title">
        Body
        {body.look === 'base64' && <span className="dim">, not a text: in base64</span>}
        {delivery.body_truncated && <span className="dim">, its beginning</span>}
      </h3>
      {body.look === 'none' ? (
        <p className="dim">{delivery.body_size > 0 ? 'It is not kept.' : 'It is empty.'}</p>
      ) : (
        <div className="delivery-body">
          <JsonView label="Body" value={body.look === 'json' ? body.value : body.text} />
        </div>
      )}
    </section>
  )
}
