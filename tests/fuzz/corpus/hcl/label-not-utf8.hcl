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
retrv_join = []
dns_config "soÕ" { refresh = 5 }
telemetry { prometheus_retention_time = "5s", disable_hostîame = true }
