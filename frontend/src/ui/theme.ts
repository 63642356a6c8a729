import {
  createTheme,
  localStorageColorSchemeManager,
  type CSSVariablesResolver,
  type MantineColorsTuple,
} from '@mantine/core'

const cobalt: MantineColorsTuple = [
  '#eef2ff',
  '#d8e0ff',
  '#b7c5ff',
  '#a3b6ff',
  '#8ea6ff',
  '#5f7ff0',
  '#2b50d8',
  '#2444bb',
  '#1c3798',
  '#142a78',
]
const dark: MantineColorsTuple = [
  '#e6e9ef',
  '#c2c9d4',
  '#9aa4b5',
  '#6b7687',
  '#2b323e',
  '#222834',
  '#171b23',
  '#0f1218',
  '#0b0e13',
  '#07090c',
]

const small = { defaultProps: { size: 'sm' } }

export const theme = createTheme({
  colors: { cobalt, dark },
  primaryColor: 'cobalt',
  primaryShade: { light: 6, dark: 4 },
  autoContrast: true,
  black: '#0b0e13',
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', ui-monospace, monospace",
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  defaultRadius: 6,
  components: {
    Button: small,
    TextInput: small,
    Textarea: small,
    Select: small,
    NumberInput: small,
    PasswordInput: small,
    ActionIcon: { defaultProps: { size: 'md', variant: 'subtle', color: 'gray' } },
    Tooltip: { defaultProps: { openDelay: 350, withArrow: false } },
    Modal: { defaultProps: { radius: 12, centered: true, closeButtonProps: { 'aria-label': 'Close' } } },
  },
})

const ours = {
  '--mantine-color-body': 'var(--surface)',
  '--mantine-color-text': 'var(--text)',
  '--mantine-color-dimmed': 'var(--text-dim)',
  '--mantine-color-placeholder': 'var(--text-dim)',
  '--mantine-color-default': 'var(--surface)',
  '--mantine-color-default-hover': 'var(--sunken)',
  '--mantine-color-default-border': 'var(--line-strong)',
  '--mantine-color-error': 'var(--failed)',
  '--mantine-color-anchor': 'var(--accent)',
}

/** The kit's own colours, taken from the tokens so that there is one palette in both themes. */
export const resolver: CSSVariablesResolver = () => ({ variables: {}, light: ours, dark: ours })

/** The same key that public/theme.js reads before first paint. */
export const colorSchemes = localStorageColorSchemeManager({ key: 'flowforge.theme' })
