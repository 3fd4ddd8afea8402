// A word of ES2024 that js-libp2p's own dependencies use, and Node.js 20 has not.

Promise.withResolvers ??= function () {
  const made = {}
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
