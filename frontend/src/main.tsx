import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { createRoot } from 'react-dom/client'

import { queryClient } from './api/queries'
import { onSessionLost } from './api/session'
import { router } from './routes'
import { colorSchemes, resolver, theme } from './ui/theme'
import { pages } from './util/paths'

import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import './styles/tokens.css'
import './styles/base.css'

// Unsaved edits are kept in the browser, so signing in again loses nothing.
onSessionLost(() => void router.navigate({ to: pages.signIn, search: { next: router.state.location.href } }))

createRoot(document.getElementById('root') as HTMLElement).render(
  <MantineProvider
    theme={theme}
    cssVariablesResolver={resolver}
    colorSchemeManager={colorSchemes}
    defaultColorScheme="auto"
  >
    <QueryClientProvider client={queryClient}>
      <Notifications position="bottom-center" limit={3} />
      <RouterProvider router={router} />
    </QueryClientProvider>
  </MantineProvider>,
)
