package edge

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/fediflow/fediflow-operator/internal/component/api"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// configuration is nginx's; every value in it is typed or limited by a pattern.
func configuration(p plan.Plan, region plan.EdgeRegionPlan) string {
	var text strings.Builder
	err := nginx.Execute(&text, map[string]any{
		"Upstream":    fmt.Sprintf("%s.%s.svc:%d", p.Name.Component(plan.API), p.Namespace, api.ServicePort),
		"Domain":      p.Domain,
		"Region":      region.Name,
		"KeysZoneMiB": p.Edge.KeysZoneMiB,
		"CacheMiB":    p.Edge.CacheBytes >> 20,
		"HTTPPort":    httpPort,
		"StatusPort":  statusPort,
	})
	if err != nil {
		panic(fmt.Sprintf("execute constant template: %v", err))
	}
	return text.String()
}

var nginx = template.Must(template.New("nginx.conf").Option("missingkey=error").Parse(nginxTemplate))

const nginxTemplate = `load_module /usr/lib/nginx/modules/ngx_http_brotli_filter_module.so;
load_module /usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so;

worker_processes auto;
worker_shutdown_timeout 30s;
pid /tmp/nginx.pid;
error_log stderr warn;

events {
  worker_connections 4096;
}

http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 65s;
  client_max_body_size 99m;

  client_body_temp_path /tmp/client_body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

  log_format json escape=json '{"time":"$time_iso8601","method":"$request_method","uri":"$uri",'
    '"status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,"cache":"$upstream_cache_status"}';
  access_log /dev/stdout json;

  gzip on;
  gzip_vary on;
  gzip_proxied any;
  gzip_types text/css application/javascript application/json application/activity+json application/jrd+json image/svg+xml;
  brotli on;
  brotli_types text/css application/javascript application/json application/activity+json application/jrd+json image/svg+xml;

  # The representation is decided here and asked for in the same words, so that clients that ask for
  # the same thing in different words share one cached answer. The upstream's Vary is about Accept
  # alone and is covered by the key.
  map $http_accept $representation {
    default html;
    "~*application/(activity|ld)\+json" json;
    "~*^application/json" json;
  }
  map $representation $upstream_accept {
    html "text/html, */*;q=0.5";
    json "application/activity+json";
  }

  # What is signed or personal is neither answered from the cache nor put into it.
  map "$http_authorization$http_cookie$http_signature$http_signature_input" $personal {
    default 1;
    "" 0;
  }
  map $http_upgrade $connection_upgrade {
    default upgrade;
    "" "";
  }

  proxy_cache_path /var/cache/nginx levels=1:2 keys_zone=fediflow:{{.KeysZoneMiB}}m
    max_size={{.CacheMiB}}m inactive=7d use_temp_path=off;

  upstream api {
    server {{.Upstream}} max_fails=0;
    keepalive 32;
  }

  server {
    listen {{.HTTPPort}} default_server;
    server_name {{.Domain}};

    proxy_http_version 1.1;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Host {{.Domain}};
    proxy_set_header Accept-Encoding "";
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Host {{.Domain}};
    proxy_set_header X-Forwarded-Proto https;
    proxy_connect_timeout 3s;
    proxy_read_timeout 60s;
    proxy_next_upstream error timeout http_502 http_503 non_idempotent;
    proxy_next_upstream_tries 1;

    proxy_cache fediflow;
    proxy_cache_methods GET HEAD;
    proxy_cache_key $scheme:$representation:$request_uri;
    proxy_cache_bypass $personal;
    proxy_no_cache $personal;
    proxy_cache_lock on;
    proxy_cache_background_update on;
    proxy_cache_revalidate on;
    proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
    proxy_cache_valid 404 10s;
    proxy_cache_valid 410 24h;
    proxy_ignore_headers Vary;
    more_set_headers "X-Cache: $upstream_cache_status" "X-Edge-Region: {{.Region}}";

    location / {
      proxy_set_header Accept $upstream_accept;
      proxy_pass http://api;
    }

    # Discovery answers in formats of its own.
    location ~ ^/(\.well-known|nodeinfo)/ {
      proxy_cache_key $scheme:discovery:$http_accept:$request_uri;
      proxy_pass http://api;
    }

    # A fingerprint in the name makes the content immutable.
    location ~ "^/assets/.*\.[0-9a-f]{8,64}\.[a-z0-9]+$" {
      proxy_cache_valid 200 365d;
      proxy_hide_header Cache-Control;
      proxy_ignore_headers Vary Cache-Control Expires;
      more_set_headers -s 200 -s 304 "Cache-Control: public, max-age=31536000, immutable";
      proxy_pass http://api;
    }

    location /assets/ {
      proxy_cache_valid 200 60s;
      proxy_pass http://api;
    }

    location /api/ {
      proxy_cache off;
      proxy_pass http://api;
    }

    location /api/v1/streaming {
      proxy_cache off;
      proxy_buffering off;
      proxy_read_timeout 3600s;
      proxy_pass http://api;
    }
  }

  server {
    listen {{.StatusPort}};
    access_log off;
    location = /healthz {
      default_type text/plain;
      return 200 "ok\n";
    }
    location = /status {
      stub_status;
    }
  }
}
`
