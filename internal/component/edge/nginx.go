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
		"Upstream":          fmt.Sprintf("%s.%s.svc:%d", p.Name.Component(plan.API), p.Namespace, api.ServicePort),
		"Domain":            p.Domain,
		"Workers":           p.Edge.Workers,
		"WorkerConnections": p.Edge.WorkerConnections,
		"OpenFiles":         p.Edge.OpenFiles,
		"Region":            region.Name,
		"KeysZoneMiB":       p.Edge.KeysZoneMiB,
		"CacheMiB":          p.Edge.CacheBytes >> 20,
		"HTTPPort":          httpPort,
		"StatusPort":        statusPort,
	})
	if err != nil {
		panic(fmt.Sprintf("execute constant template: %v", err))
	}
	return text.String()
}

var nginx = template.Must(template.New("nginx.conf").Option("missingkey=error").Parse(nginxTemplate))

const nginxTemplate = `load_module /usr/lib/nginx/modules/ngx_http_brotli_filter_module.so;
load_module /usr/lib/nginx/modules/ngx_http_cache_purge_module.so;
load_module /usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so;

worker_processes {{.Workers}};
worker_rlimit_nofile {{.OpenFiles}};
worker_shutdown_timeout 25s;
pid /tmp/nginx.pid;
error_log stderr warn;

events {
  worker_connections {{.WorkerConnections}};
  multi_accept on;
}

http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  server_tokens off;
  more_clear_headers Server X-Powered-By;

  # $uri, not $request_uri: query strings carry tokens (streaming's access_token).
  log_format edge escape=json
    '{"time":"$time_iso8601","region":"{{.Region}}","cache":"$upstream_cache_status",'
    '"status":$status,"method":"$request_method","host":"$host","uri":"$uri",'
    '"representation":"$representation","bytes":$body_bytes_sent,'
    '"seconds":$request_time,"upstream_seconds":"$upstream_response_time",'
    '"remote":"$remote_addr","forwarded_for":"$http_x_forwarded_for",'
    '"agent":"$http_user_agent"}';
  access_log /dev/stdout edge;

  client_body_temp_path /tmp/client_body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

  sendfile on;
  tcp_nopush on;
  keepalive_timeout 75s;
  client_max_body_size 40m;
  client_body_buffer_size 128k;
  large_client_header_buffers 8 16k;      # HTTP signatures are long

  # ---- compression: the cache holds one uncompressed copy, the answer is compressed
  gzip on;
  gzip_vary on;
  gzip_proxied any;
  gzip_comp_level 5;
  gzip_min_length 512;
  gzip_types application/activity+json application/ld+json application/jrd+json
    application/json application/manifest+json application/javascript application/xml
    application/rss+xml application/atom+xml text/css text/plain text/javascript image/svg+xml;
  brotli on;
  brotli_comp_level 4;
  brotli_min_length 512;
  brotli_types application/activity+json application/ld+json application/jrd+json
    application/json application/manifest+json application/javascript application/xml
    application/rss+xml application/atom+xml text/css text/plain text/javascript image/svg+xml;

  # ---- which representation the client wants: one of three, part of the cache key
  # Fediverse servers send many spellings of the same wish. A browser never names the
  # ActivityPub types; who names text/html first wants the page.
  map $http_accept $representation {
    default                                     html;
    "~*^\s*text/html"                           html;
    "~*application/(activity|ld)\+json"         activity;
    "~*^\s*application/(jrd\+)?json"            json;
  }

  # ---- who must not share: credentials and signed fetches (their answer may differ)
  map "$http_authorization$http_cookie$http_signature$http_signature_input" $personal {
    default 1;
    ""      0;
  }

  # What goes upstream as Accept. Shared answers are asked for in one of three fixed
  # spellings, so the answer can depend on nothing that is not in the key.
  map "$personal:$representation" $upstream_accept {
    default         $http_accept;
    "0:html"        "text/html, */*;q=0.8";
    "0:json"        "application/json, */*;q=0.8";
    "0:activity"    'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"';
  }

  # With a cache nginx sends its own conditions upstream, to revalidate what it holds, and no
  # ranges. Who bypasses the cache gets his own passed on, so that he still sees 304 and 206.
  map $personal $upstream_if_none_match {
    0       $upstream_cache_etag;
    default $http_if_none_match;
  }
  map $personal $upstream_if_modified_since {
    0       $upstream_cache_last_modified;
    default $http_if_modified_since;
  }
  map $personal $upstream_range {
    0       "";
    default $http_range;
  }

  # nginx would file an answer with "Vary: Accept" under the client's literal header: every
  # spelling a miss. Vary is therefore ignored (proxy_ignore_headers below), which is right
  # for exactly these names: Accept is normalised and keyed, Accept-Encoding is not sent
  # upstream, the rest bypasses the cache. An answer that varies by anything else is not
  # stored.
  map $upstream_http_vary $varies_otherwise {
    default 1;
    ""      0;
    "~*^\s*(?:(?:accept|accept-encoding|authorization|cookie|signature|signature-input)\s*(?:,\s*|$))+$" 0;
  }

  # ---- static files: the name carries a hash of the content, or it does not
  map $uri $asset {
    default                                          none;
    "~^/assets/.+\.[0-9a-f]{8,}\.[a-z0-9]+$"       fingerprinted;
    "~^/assets/"                                     plain;
  }
  map "$asset:$upstream_http_cache_control" $asset_cache_control {
    default             "";
    "~^fingerprinted:"  "public, max-age=31536000, immutable";
    "plain:"            "public, max-age=300";
  }

  map $http_upgrade $connection_upgrade {
    default upgrade;
    ""      "";
  }

  # Twice the same Service: a kept-alive connection that its pod has just closed needs a
  # second try, and nginx makes one only if there is another server. Health is the Service's.
  upstream api {
    server {{.Upstream}} max_fails=0;
    server {{.Upstream}} max_fails=0;
    keepalive 64;
    keepalive_timeout 30s;
  }

  proxy_cache_path /var/cache/nginx levels=1:2 keys_zone=edge:{{.KeysZoneMiB}}m
    max_size={{.CacheMiB}}m inactive=30d use_temp_path=off;

  proxy_http_version 1.1;
  proxy_set_header Host $host;
  proxy_set_header Connection "";
  proxy_set_header Accept $upstream_accept;
  proxy_set_header Accept-Encoding "";
  proxy_set_header If-None-Match $upstream_if_none_match;
  proxy_set_header If-Modified-Since $upstream_if_modified_since;
  proxy_set_header Range $upstream_range;
  proxy_set_header X-Real-IP $remote_addr;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto https;
  proxy_set_header X-Forwarded-Host $host;
  proxy_set_header Forwarded "";
  proxy_connect_timeout 3s;
  proxy_read_timeout 60s;
  proxy_next_upstream error timeout;      # idempotent methods only, nginx's default
  proxy_next_upstream_tries 2;
  proxy_buffer_size 16k;
  proxy_buffers 16 16k;
  proxy_busy_buffers_size 32k;

  proxy_cache edge;
  proxy_cache_key "$host|$representation|$request_uri";
  proxy_cache_bypass $personal;
  proxy_no_cache $personal $varies_otherwise;
  proxy_ignore_headers Vary;
  # Without Cache-Control from the application only these two are stored.
  proxy_cache_valid 404 10s;
  proxy_cache_valid 410 24h;
  proxy_cache_lock on;
  proxy_cache_lock_timeout 5s;
  proxy_cache_lock_age 5s;
  proxy_cache_revalidate on;
  # Stale answers: any time the application fails; and while it is asked again, as long as its
  # own "stale-while-revalidate=N" allows. Not the parameter "updating", which has no bound: a
  # 404 or an actor asked for a day later would come back a day old once more.
  proxy_cache_use_stale error timeout http_500 http_502 http_503 http_504;
  proxy_cache_background_update on;

  # A Host that is not ours is nobody's to cache.
  server {
    listen {{.HTTPPort}} default_server;
    server_name _;
    return 421;
  }

  server {
    listen {{.HTTPPort}};
    server_name {{.Domain}};

    add_header X-Cache $upstream_cache_status always;
    add_header X-Edge-Region {{.Region}} always;
    add_header Cache-Control $asset_cache_control;

    # PURGE of one URL removes the representation that its Accept asks for; a URL that
    # ends in * removes every URL with that beginning.
    proxy_cache_purge PURGE from 127.0.0.1;

    location / {
      proxy_pass http://api;
    }

    # WebSocket, and server-sent events on the same path.
    location /api/v1/streaming {
      proxy_pass http://api;
      proxy_cache off;
      proxy_buffering off;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Host $host;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }

    location /assets/ {
      proxy_cache_valid 200 5m;
      proxy_cache_valid 404 10s;
      proxy_pass http://api;
    }

    # The name changes with the content: the same for everybody, for ever. Credentials are
    # not sent on, so the answer cannot depend on them and a logged-in browser hits too.
    location ~ "^/assets/.+\.[0-9a-f]{8,}\.[a-z0-9]+$" {
      proxy_cache_key "$host|asset|$request_uri";
      proxy_cache_bypass 0;
      proxy_no_cache 0;
      proxy_ignore_headers Cache-Control Expires Vary Set-Cookie;
      proxy_hide_header Cache-Control;
      proxy_hide_header Expires;
      proxy_hide_header Set-Cookie;
      proxy_cache_valid 200 365d;
      proxy_cache_valid 404 10s;
      proxy_set_header Host $host;
      proxy_set_header Connection "";
      proxy_set_header Accept "*/*";
      proxy_set_header Accept-Encoding "";
      proxy_set_header Cookie "";
      proxy_set_header Authorization "";
      proxy_set_header Signature "";
      proxy_set_header Signature-Input "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_pass http://api;
    }
  }

  # Health and counters; fenced by NetworkPolicy, no traffic.
  server {
    listen {{.StatusPort}};
    server_name _;
    access_log off;
    location = /healthz { default_type text/plain; return 200 "ok\n"; }
    location = /status { stub_status; }
    location / { return 404; }
  }
}
`
