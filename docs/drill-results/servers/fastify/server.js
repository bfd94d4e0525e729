// Stops with app.close, called by close-with-grace as its manual says under "Example with Fastify":
// https://github.com/fastify/close-with-grace#example-with-fastify
// fastify.close is described in https://fastify.dev/docs/latest/Reference/Server/#close
import fastify from 'fastify'
import closeWithGrace from 'close-with-grace'

const app = fastify()
app.post('/', async (req) => {
  console.log(req.headers['x-request-id'])
  return 'done\n'
})
app.get('/slow', async (req) => {
  console.log(req.headers['x-request-id'])
  await new Promise((resolve) => setTimeout(resolve, 500))
  return 'done\n'
})
closeWithGrace(async () => { await app.close() })
await app.listen({ port: process.env.PORT, host: '127.0.0.1' })
