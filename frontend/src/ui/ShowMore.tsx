import { Button } from '@mantine/core'

interface Pages {
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage: () => Promise<unknown>
}

/** Fetches the next page of a list, while there is one. */
export function ShowMore({ list }: { list: Pages }) {
  if (!list.hasNextPage) return null
  return (
    <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
      Show more
    </Button>
  )
}
