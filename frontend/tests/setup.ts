// What jsdom lacks and Mantine asks for. A test that asks for Node alone has no window.
class Observer {
  observe() {}
  unobserve() {}
  disconnect() {}
}

const mediaStub = (query: string): MediaQueryList => ({
  matches: false,
  media: query,
  onchange: null,
  addEventListener() {},
  removeEventListener() {},
  addListener() {},
  removeListener() {},
  dispatchEvent: () => false,
})

if (typeof window !== 'undefined') {
  window.ResizeObserver ??= Observer
  window.matchMedia ??= mediaStub
  Element.prototype.scrollIntoView ??= () => {}
}
