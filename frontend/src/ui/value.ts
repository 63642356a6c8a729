/** A value of JSON. */
export type Value = string | number | boolean | null | Value[] | { [key: string]: Value }
