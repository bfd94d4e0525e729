// Stops as the manual of Express says: https://expressjs.com/en/advanced/healthcheck-graceful-shutdown.html
import { app } from './app.js'

const server = app.listen(process.env.PORT, '127.0.0.1')
process.on('SIGTERM', () => server.close())
