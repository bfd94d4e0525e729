$stdout.sync = true

run lambda { |env|
  puts env['HTTP_X_REQUEST_ID']
  sleep 0.5 if env['PATH_INFO'] == '/slow'
  [200, { 'Content-Type' => 'text/plain' }, ["done\n"]]
}
