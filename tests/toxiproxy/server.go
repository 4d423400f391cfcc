//go:build tools

// Package toxiproxy pins the proxy that the tests put before Kafka; scripts/toxiproxy.sh builds it.
package toxiproxy

import _ "github.com/Shopify/toxiproxy/v2/cmd/server"
