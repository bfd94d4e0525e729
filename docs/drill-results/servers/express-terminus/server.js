// Stops as the manual of terminus says, "With express": https://github.com/godaddy/terminus#with-express
// useExit0 is from its section about Kubernetes. Its beforeShutdown is left out: no server here waits
// until a balancer has noticed.
import { createServer } from 'node:http'
import { createTerminus } from '@godaddy/terminus'
import { app } from '../express/app.js'

const server = createServer(app)
createTerminus(server, { useExit0: true })
server.listen(process.env.PORT, '127.0.0.1')
