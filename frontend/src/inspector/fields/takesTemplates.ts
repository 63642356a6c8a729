import { createContext } from 'react'

/**
 * Whether the fields of a form may hold `{{ … }}`. Those of a trigger may not: it begins the run, so there is nothing yet to
 * refer to, and it calls a secret by its bare name.
 */
export const TakesTemplates = createContext(true)
