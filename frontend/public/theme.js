// Runs before first paint, as a file of its own because the content policy forbids inline scripts.
;(function () {
  var choice = 'auto'
  try {
    choice = localStorage.getItem('flowforge.theme') || 'auto'
  } catch (_) {
    // Storage may be switched off; the system's choice is used then.
  }
  var dark = choice === 'dark' || (choice === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light')
})()
