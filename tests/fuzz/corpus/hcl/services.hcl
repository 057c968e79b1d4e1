services {
  id   = "web-1"
  name = "web"
  tags = ["a", "b"]
  checks = [{ args = ["/bin/sh", "-c", <<-EOT
      exit 0
      EOT
    ], interval = "10s" }]
}
check "x" "y" { ttl = "30s", notes = "\u00e9\x41\101 ${ "q" }" }
