import express from 'express'

export const app = express()

app.post('/', (req, res) => {
  console.log(req.get('X-Request-Id'))
  req.resume()
  res.send('done\n')
})
app.get('/slow', (req, res) => {
  console.log(req.get('X-Request-Id'))
  setTimeout(() => res.send('done\n'), 500)
})
