// The workflow of the README's pictures: a form, a filter, a choice, a command that is tried twice, and a join.

const commits = [
  { kind: 'feature', text: 'Retry from any step' },
  { kind: 'chore', text: 'Update the lock file' },
  { kind: 'feature', text: 'Fold groups on the canvas' },
]

// The first attempt finds no machine and runs into its timeout; the second one builds.
const build = `if [ ! -e asked ]; then
  touch asked
  echo "waiting for a free machine"
  sleep 60
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
  { id: 'commits', type: 'set', name: 'Commits since', position: { x: 280, y: 20 }, params: { value: commits } },
  {
    id: 'features',
    type: 'filter',
    name: 'Only features',
    position: { x: 560, y: 20 },
    params: { items: '{{ steps.commits.output }}', expression: "item.kind === 'feature'" },
  },
  {
    id: 'enough',
    type: 'condition',
    name: 'Anything new?',
    position: { x: 840, y: 20 },
    params: { expression: 'input.length > 0' },
  },
  {
    id: 'build',
    type: 'command',
    name: 'Build',
    position: { x: 1160, y: -96 },
    params: { run: build },
    retry: { max_attempts: 3, backoff: 'exponential', initial_ms: 800 },
    timeout_s: 2,
  },
  { id: 'settle', type: 'delay', name: 'Let caches settle', position: { x: 560, y: 240 }, params: { seconds: 3 } },
  {
    id: 'notes',
    type: 'transform',
    name: 'Write the notes',
    position: { x: 1440, y: 150 },
    params: {
      code: "const lines = steps.features.output.map((one) => '- ' + one.text)\nreturn { title: 'Version ' + trigger.version, notes: lines.join('\\n') }",
    },
  },
  {
    id: 'nothing',
    type: 'set',
    name: 'Nothing to release',
    position: { x: 1160, y: 40 },
    params: { value: 'Nothing new since the last release.' },
  },
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
