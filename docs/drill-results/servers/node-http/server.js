// Stops with server.close, which also closes idle connections since Node.js 19:
// https://nodejs.org/docs/latest-v20.x/api/http.html#serverclosecallback
import { createServer } from 'node:http'

const server = createServer((req, res) => {
  console.log(req.headers['x-request-id'])
  req.resume()
  if (req.url === '/slow') setTimeout(() => res.end('done\n'), 500)
  else res.end('done\n')
})
server.listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => server.close())
