import js from '@eslint/js'
import hooks from 'eslint-plugin-react-hooks'
import ts from 'typescript-eslint'

/** Says which rooms a room may not reach into: pages > canvas, inspector, runs > triggers > api, ui, util. */
const room = (name, ...closed) => ({
  files: [`src/${name}/**/*.{ts,tsx}`],
  rules: {
    'no-restricted-imports': ['error', { patterns: closed.map((other) => ({ regex: `(^|/)\\.\\./${other}(/|$)` })) }],
  },
})

export default ts.config(
  { ignores: ['dist', 'src/api/schema.d.ts'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  {
    plugins: { 'react-hooks': hooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      '@typescript-eslint/no-unused-expressions': 'off',
      'no-control-regex': 'off',
    },
  },
  { files: ['scripts/**'], languageOptions: { globals: { URL: 'readonly', process: 'readonly' } } },
  room('ui', 'api', 'canvas', 'inspector', 'runs', 'triggers', 'pages', 'routes', 'util'),
  room('util', 'api', 'canvas', 'inspector', 'runs', 'triggers', 'pages', 'routes', 'ui'),
  room('api', 'canvas', 'inspector', 'runs', 'triggers', 'pages', 'routes', 'ui'),
  room('triggers', 'canvas', 'inspector', 'runs', 'pages', 'routes'),
  room('canvas', 'inspector', 'runs', 'pages', 'routes'),
  room('inspector', 'canvas', 'runs', 'pages', 'routes'),
  room('runs', 'canvas', 'inspector', 'pages', 'routes'),
)
