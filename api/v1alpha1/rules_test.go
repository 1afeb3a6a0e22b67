package v1alpha1

import (
	"fmt"
	"strings"
)

type refusal struct {
	spec string
	says string
}

// long is a word of n characters.
func long(n int) string { return strings.Repeat("a", n) }

// longDomain is a legal domain of n characters, for n above 200.
func longDomain(n int) string {
	labels := strings.Repeat(long(60)+".", 3)
	return labels + long(n-len(labels)-61) + "." + long(60)
}

// list is n YAML list items that a format makes of their numbers.
func list(n int, format string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = fmt.Sprintf(format, i)
	}
	return "[" + strings.Join(items, ", ") + "]"
}

const exactlyOne = "profile needs exactly one of size, activeUsers and ref"

func refusals() map[string]refusal {
	table := map[string]refusal{
		"no domain":                           {"domain: null", "domain: Required value"},
		"no image":                            {"image: null", "image: Required value"},
		"no profile":                          {"profile: null", "profile: Required value"},
		"neither size, users nor ref":         {"profile: {}", exactlyOne},
		"an intent without a size":            {"profile: {availability: Zonal}", exactlyOne},
		"a size and users":                    {"profile: {size: Small, activeUsers: 100}", exactlyOne},
		"a size and a ref":                    {"profile: {size: Small, ref: ours}", exactlyOne},
		"users and a ref":                     {"profile: {activeUsers: 100, ref: ours}", exactlyOne},
		"a size, users and a ref":             {"profile: {size: Small, activeUsers: 100, ref: ours}", exactlyOne},
		"a quarter of a user":                 {"profile: {activeUsers: 0.25}", "must be of type integer"},
		"an empty ref":                        {"profile: {ref: ''}", "at least 1 chars long"},
		"a ref in upper case":                 {"profile: {ref: Ours}", "should match"},
		"a ref that ends with a dot":          {"profile: {ref: ours.}", "should match"},
		"a ref with a slash":                  {"profile: {ref: theirs/ours}", "should match"},
		"a ref of 254 characters":             {"profile: {ref: " + long(254) + "}", "Too long"},
		"an unknown availability":             {"profile: {size: Small, availability: Regional}", `supported values: "Single", "Zonal"`},
		"an unknown durability of a profile":  {"profile: {size: Small, durability: Paranoid}", `supported values: "Strict", "Synchronous", "Asynchronous"`},
		"an unknown heartbeat":                {"database: {managed: {heartbeat: Hasty}}", `supported values: "Fast", "Frugal"`},
		"a strict database without a standby": {"database: {managed: {instances: 1, durability: Strict}}", "need a standby"},
		"a bound of a loss that cannot be":    {"database: {managed: {maximumLag: 1Gi}}", "maximumLag bounds what Asynchronous may lose"},
		"a bound of a loss that is no number": {"database: {managed: {maximumLag: much, durability: Asynchronous}}", "should match"},
		"a bound of a loss with Synchronous":  {"database: {managed: {maximumLag: 1Gi, durability: Synchronous}}", "maximumLag bounds what Asynchronous may lose"},
		"TLS without a certificate":           {"tls: {}", "tls.certificateSecret: Required value"},
		"a certificate without a name":        {"tls: {certificateSecret: {}}", "certificateSecret.name: Required value"},
		"a certificate with an empty name":    {"tls: {certificateSecret: {name: ''}}", "at least 1 chars long"},
		"a certificate in upper case":         {"tls: {certificateSecret: {name: Tls}}", "should match"},
		"a certificate with a name of 254":    {"tls: {certificateSecret: {name: " + long(254) + "}}", "Too long"},
		"an unknown field in a profile":       {"profile: {size: Small, users: 5}", `unknown field "spec.profile.users"`},
		"an unknown size":                     {"profile: {size: Smal}", `supported values: "Development", "Small", "Medium", "Large", "XLarge"`},
		"a size in lower case":                {"profile: {size: small}", `supported values: "Development"`},
		"a domain of 3 characters":            {"domain: a.b", "at least 4 chars long"},
		"a domain of 254 characters":          {"domain: " + longDomain(254), "Too long: may not be more than 253"},
		"minReplicas above maxReplicas": {
			"api: {autoscaling: {minReplicas: 5, maxReplicas: 2}}", "minReplicas must not be larger than maxReplicas"},
		"a managed and an external database": {
			"database: {managed: {}, external: {host: db, credentialsSecret: {name: db}}}", "either managed or external, not both"},
		"an unknown durability":                     {"database: {managed: {durability: Paranoid}}", `supported values: "Strict"`},
		"a synchronous database without a standby":  {"database: {managed: {instances: 1, durability: Synchronous}}", "need a standby"},
		"an external database without a host":       {"database: {external: {credentialsSecret: {name: db}}}", "external.host: Required value"},
		"an external database without credentials":  {"database: {external: {host: db}}", "credentialsSecret: Required value"},
		"credentials without a name":                {"database: {external: {host: db, credentialsSecret: {}}}", "credentialsSecret.name: Required value"},
		"credentials with an empty name":            {"database: {external: {host: db, credentialsSecret: {name: ''}}}", "at least 1 chars long"},
		"credentials in upper case":                 {"database: {external: {host: db, credentialsSecret: {name: Db}}}", "should match"},
		"credentials with a name of 254 characters": {"database: {external: {host: db, credentialsSecret: {name: " + long(254) + "}}}", "Too long"},
		"an empty database host":                    {"database: {external: {host: '', credentialsSecret: {name: db}}}", "at least 1 chars long"},
		"a database host with a port":               {"database: {external: {host: 'db:5432', credentialsSecret: {name: db}}}", "should match"},
		"a database host with a line break":         {`database: {external: {host: "db\nuser=postgres", credentialsSecret: {name: db}}}`, "should match"},
		"a database host of 254 characters":         {"database: {external: {host: " + long(254) + ", credentialsSecret: {name: db}}}", "Too long"},
		"a database name with a space":              {"database: {external: {host: db, database: a b, credentialsSecret: {name: db}}}", "should match"},
		"a database name that starts with a digit":  {"database: {external: {host: db, database: 1a, credentialsSecret: {name: db}}}", "should match"},
		"a database name of 64 characters":          {"database: {external: {host: db, database: " + long(64) + ", credentialsSecret: {name: db}}}", "Too long"},
		"a pull secret without a name":              {"imagePullSecrets: [{}]", "name: Required value"},
		"a pull secret with an empty name":          {"imagePullSecrets: [{name: ''}]", "at least 1 chars long"},
		"a pull secret with an underscore":          {"imagePullSecrets: [{name: a_b}]", "should match"},
		"a pull secret with 254 characters":         {"imagePullSecrets: [{name: " + long(254) + "}]", "Too long"},
		"a pull secret twice":                       {"imagePullSecrets: [{name: a}, {name: a}]", "Duplicate value"},
		"nine pull secrets":                         {"imagePullSecrets: " + list(9, "{name: s%d}"), "Too many: 9: must have at most 8"},
		"an empty command":                          {"migrations: {preDeploy: {command: []}}", "at least 1 items"},
		"an empty word in a command":                {"migrations: {preDeploy: {command: [node, '']}}", "at least 1 chars long"},
		"a command of 33 words":                     {"migrations: {preDeploy: {command: " + list(33, "w%d") + "}}", "must have at most 32"},
		"a command word of 1025 characters":         {"migrations: {preDeploy: {command: [" + long(1025) + "]}}", "Too long"},
		"no regions":                                {"edge: {regions: []}", "at least 1 items"},
		"33 regions":                                {"edge: {regions: " + list(33, "{name: r%d}") + "}", "must have at most 32"},
		"a region twice":                            {"edge: {regions: [{name: eu-west}, {name: eu-west}]}", "Duplicate value"},
		"a region without a name":                   {"edge: {regions: [{replicas: 1}]}", "name: Required value"},
		"a region with an empty name":               {"edge: {regions: [{name: ''}]}", "at least 1 chars long"},
		"a region of 21 characters":                 {"edge: {regions: [{name: " + long(21) + "}]}", "Too long: may not be more than 20"},
		"a region in upper case":                    {"edge: {regions: [{name: EU}]}", "should match"},
		"a region that ends with a hyphen":          {"edge: {regions: [{name: eu-}]}", "should match"},
		"a region that starts with a hyphen":        {"edge: {regions: [{name: -members}]}", "should match"},
		"an unknown type of Service":                {"edge: {serviceType: ExternalName}", `supported values: "ClusterIP", "NodePort", "LoadBalancer"`},
		"an unknown field":                          {"tuning: {work_mem: 64MB}", `unknown field "spec.tuning"`},
		"an unknown field deep inside":              {"database: {managed: {storage: {iops: 5}}}", `unknown field "spec.database.managed.storage.iops"`},
	}
	declarationRefusals(table)
	for name, domain := range map[string]string{
		"upper case": "Social.example.edu", "a scheme": "https://social.example.edu", "a trailing dot": "social.example.edu.",
		"a port": "social.example.edu:443", "a path": "social.example.edu/users", "no dot": "localhost", "an IPv4 address": "192.0.2.10",
		"an IPv6 address": "'2001:db8::1'", "a space": "social .example.edu", "an underscore": "social_net.example.edu",
		"an empty label": "social..edu", "a label that ends with a hyphen": "social-.example.edu",
		"a label of 64 characters": long(64) + ".edu", "a wildcard": "'*.example.edu'", "a line break": `"social.example.edu\nserver_name"`,
		"a numeric top level": "social.example.123",
	} {
		table["a domain with "+name] = refusal{"domain: " + domain, "domain must be a lower-case DNS name"}
	}
	for name, image := range map[string]string{
		"without tag": "fediflow/fediflow", "with a port and without tag": "registry.example.edu:5000/fediflow",
		"with an empty tag": "'fediflow/fediflow:'", "with a short digest": "fediflow@sha256:abc", "with a space": "fediflow:1 2",
		"that is an option": "'--privileged:1'",
	} {
		table["an image "+name] = refusal{"image: " + image, "image must name a tag or a digest"}
	}
	table["an empty image"] = refusal{"image: ''", "at least 1 chars long"}
	table["an image of 513 characters"] = refusal{"image: " + long(511) + ":1", "Too long"}
	for _, storage := range storages {
		for name, class := range map[string]string{"": "at least 1 chars long", "Fast_SSD": "should match", long(254): "Too long"} {
			table["storage class '"+name+"' in "+storage] = refusal{fmt.Sprintf(storage, "storageClassName: '"+name+"'"), class}
		}
	}
	for _, quantity := range quantities() {
		table["a word in "+quantity] = refusal{fmt.Sprintf(quantity, "lots"), "should match"}
		table["a number with a space in "+quantity] = refusal{fmt.Sprintf(quantity, "1 Gi"), "should match"}
	}
	for _, r := range ranges {
		table[fmt.Sprintf("%d in %s", r.least-1, r.field)] = refusal{fmt.Sprintf(r.field, r.least-1), "greater than or equal to"}
		table[fmt.Sprintf("%d in %s", r.most+1, r.field)] = refusal{fmt.Sprintf(r.field, r.most+1), "less than or equal to"}
	}
	return table
}

// storages are the fields of type StorageSpec.
var storages = []string{
	"database: {managed: {storage: {%s}}}", "redis: {managed: {queue: {storage: {%s}}}}", "edge: {storage: {%s}}",
}

// quantities are all fields that take a quantity.
func quantities() []string {
	var fields []string
	for _, resources := range []string{
		"api: {resources: {%s}}", "database: {managed: {resources: {%s}}}", "pooler: {resources: {%s}}",
		"redis: {managed: {queue: {resources: {%s}}}}", "redis: {managed: {cache: {resources: {%s}}}}", "edge: {resources: {%s}}",
	} {
		fields = append(fields, fmt.Sprintf(resources, "cpu: %s"), fmt.Sprintf(resources, "memory: %s"))
	}
	for _, storage := range storages {
		fields = append(fields, fmt.Sprintf(storage, "size: %s"))
	}
	return append(fields, "profile: {size: Small, ceiling: {cpu: %s}}", "profile: {size: Small, ceiling: {memory: %s}}")
}

// ranges are all fields that take a whole number.
var ranges = []struct {
	field       string
	least, most int
}{
	{"profile: {activeUsers: %d}", 1, 1_000_000},
	{"api: {autoscaling: {minReplicas: %d}}", 1, 1000},
	{"api: {autoscaling: {maxReplicas: %d}}", 1, 1000},
	{"api: {autoscaling: {cpuUtilization: %d}}", 1, 100},
	{"api: {autoscaling: {memoryUtilization: %d}}", 1, 100},
	{"database: {managed: {instances: %d}}", 1, 9},
	{"database: {external: {host: db, port: %d, credentialsSecret: {name: db}}}", 1, 65535},
	{"database: {managed: {roles: [{name: r, passwordSecret: {name: s, key: k}, connectionLimit: %d}]}}", 1, 8},
	{"pooler: {replicas: %d}", 1, 50},
	{"redis: {managed: {queue: {replicas: %d}}}", 1, 5},
	{"redis: {managed: {cache: {replicas: %d}}}", 1, 5},
	{"edge: {regions: [{name: eu, replicas: %d}]}", 1, 50},
}

func acceptances() map[string]string {
	table := map[string]string{
		"domain, image and profile alone":           "",
		"a domain with digits and hyphens":          "domain: my-social-2.0x.example",
		"a punycode domain":                         "domain: xn--fedi-5qa.xn--p1ai",
		"a domain of 4 characters":                  "domain: a.bc",
		"a domain of 253 characters":                "domain: " + longDomain(253),
		"a domain label of 63 characters":           "domain: " + long(63) + ".edu",
		"an image with a registry and a port":       "image: registry.example.edu:5000/social/fediflow:v1.4.2_rc-1",
		"an image with a digest":                    "image: fediflow/fediflow@sha256:" + strings.Repeat("0a", 32),
		"an image with a tag and a digest":          "image: fediflow/fediflow:1@sha256:" + strings.Repeat("0a", 32),
		"an image of 512 characters":                "image: " + long(510) + ":1",
		"minReplicas equal to maxReplicas":          "api: {autoscaling: {minReplicas: 3, maxReplicas: 3}}",
		"empty sections":                            "{api: {}, migrations: {}, database: {}, pooler: {}, redis: {}, edge: {}}",
		"a managed database":                        "database: {managed: {instances: 3, durability: Synchronous}}",
		"one asynchronous member":                   "database: {managed: {instances: 1, durability: Asynchronous}}",
		"a durability for the profile's members":    "database: {managed: {durability: Synchronous}}",
		"an external database":                      "database: {external: {host: db.example.edu, port: 5433, database: social_1, credentialsSecret: {name: db.a-1}}}",
		"an external database by its address":       "database: {external: {host: 192.0.2.10, credentialsSecret: {name: db}}}",
		"the longest names of an external database": "database: {external: {host: " + long(253) + ", database: " + long(63) + ", credentialsSecret: {name: " + long(253) + "}}}",
		"eight pull secrets":                        "imagePullSecrets: " + list(8, "{name: s%d}"),
		"the longest pull secret":                   "imagePullSecrets: [{name: " + long(253) + "}]",
		"a command of 32 words":                     "migrations: {preDeploy: {command: " + list(32, "w%d") + "}}",
		"a long command word with shell characters": "migrations: {preDeploy: {command: ['$(" + long(1021) + "']}}",
		"32 regions of 20 characters":               "edge: {regions: " + list(32, "{name: asia-pacific-south%02d}") + "}",
		"a ref":                                     "profile: {ref: ours}",
		"a ref of one character":                    "profile: {ref: a}",
		"the longest ref":                           "profile: {ref: " + long(253) + "}",
		"a size for one member of everything":       "profile: {size: Small, availability: Single}",
		"users in three zones":                      "profile: {activeUsers: 5000, availability: Zonal}",
		"a ref with everything else":                "profile: {ref: ours.v2, availability: Zonal, durability: Asynchronous, ceiling: {cpu: 16, memory: 64Gi}}",
		"a ceiling of nothing":                      "profile: {size: Small, ceiling: {}}",
		"edge Services of type ClusterIP":           "edge: {serviceType: ClusterIP}",
		"edge Services of type NodePort":            "edge: {serviceType: NodePort}",
		"edge Services of type LoadBalancer":        "edge: {serviceType: LoadBalancer}",
	}
	for _, size := range []ProfileSize{SizeDevelopment, SizeSmall, SizeMedium, SizeLarge, SizeXLarge} {
		table["size "+string(size)] = "profile: {size: " + string(size) + "}"
	}
	declarationAcceptances(table)
	for _, storage := range storages {
		table["a storage class in "+storage] = fmt.Sprintf(storage, "storageClassName: fast-ssd.2")
		table["the longest storage class in "+storage] = fmt.Sprintf(storage, "storageClassName: "+long(253))
	}
	for _, quantity := range quantities() {
		for _, value := range []string{"1", "1500m", "'0.5'", "512Mi", "'1e9'", "2G"} {
			table[value+" in "+quantity] = fmt.Sprintf(quantity, value)
		}
	}
	for _, r := range ranges {
		table[fmt.Sprintf("%d in %s", r.least, r.field)] = fmt.Sprintf(r.field, r.least)
		table[fmt.Sprintf("%d in %s", r.most, r.field)] = fmt.Sprintf(r.field, r.most)
	}
	return table
}
