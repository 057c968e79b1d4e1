# comment
node_name = "n1"
server = true /* inline */
bootstrap = true
data_dir = "/d"
ports { http = 8600
  dns = -1 }
ports = { https = 0x10, }
node_meta { a = "b" }
node_meta { "c" = <<-EOT
    hello ${ "x" }
      y
    EOT
  }
retry_join = []
dns_config "soa" { refresh = 5 }
telemetry { prometheus_retention_time = "5s", disable_hostname = true }
