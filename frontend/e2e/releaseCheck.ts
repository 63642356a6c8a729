// The workflow of the README's pictures: a form, a filter, a choice, a command that fails once, and a join.

const commits = [
  { kind: 'feature', text: 'Retry from any step' },
  { kind: 'chore', text: 'Update the lock file' },
  { kind: 'feature', text: 'Fold groups on the canvas' },
]

const build = `if [ ! -e tried ]; then
  touch tried
  echo "linker was killed, out of memory" >&2
  exit 1
fi
for crate in core engine nodes api; do
  echo "   Compiling flowforge-$crate"
  sleep 0.3
done
echo "    Finished in 1.2 s"`

const nodes = [
  {
    id: 'start',
    type: 'trigger.manual',
    name: 'Release wanted',
    position: { x: 0, y: 120 },
    params: { fields: [{ name: 'version', label: 'Version', required: true }] },
  },
  { id: 'commits', type: 'set', name: 'Commits since', position: { x: 300, y: 40 }, params: { value: commits } },
  {
    id: 'features',
    type: 'filter',
    name: 'Only features',
    position: { x: 600, y: 40 },
    params: { items: '{{ steps.commits.output }}', expression: "item.kind === 'feature'" },
  },
  {
    id: 'enough',
    type: 'condition',
    name: 'Anything new?',
    position: { x: 900, y: 40 },
    params: { expression: 'input.length > 0' },
  },
  {
    id: 'build',
    type: 'command',
    name: 'Build',
    position: { x: 1220, y: -60 },
    params: { run: build },
    retry: { max_attempts: 3, backoff: 'exponential', initial_ms: 800 },
  },
  { id: 'settle', type: 'delay', name: 'Let caches settle', position: { x: 600, y: 220 }, params: { seconds: 2 } },
  {
    id: 'notes',
    type: 'transform',
    name: 'Write the notes',
    position: { x: 1540, y: 40 },
    params: {
      code: "const lines = steps.features.output.map((one) => '- ' + one.text)\nreturn { title: 'Version ' + trigger.version, notes: lines.join('\\n') }",
    },
  },
  { id: 'nothing', type: 'set', name: 'Nothing to release', position: { x: 1220, y: 140 }, params: { value: null } },
]

const edges = [
  { source: 'start', target: 'commits' },
  { source: 'start', target: 'settle' },
  { source: 'commits', target: 'features' },
  { source: 'features', target: 'enough' },
  { source: 'enough', port: 'true', target: 'build' },
  { source: 'enough', port: 'false', target: 'nothing' },
  { source: 'build', target: 'notes' },
  { source: 'settle', target: 'notes' },
]

export const releaseCheck = {
  name: 'Release check',
  description: 'Builds what is new and writes the release notes',
  graph: { nodes, edges },
}
