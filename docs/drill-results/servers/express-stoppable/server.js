// Stops as the manual of stoppable says: https://github.com/hunterloftis/stoppable#usage
import { createServer } from 'node:http'
import stoppable from 'stoppable'
import { app } from '../express/app.js'

const server = stoppable(createServer(app))
server.listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => server.stop())
