package catalog

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

var (
	secretName        = regexp.MustCompile(`(?i)passw|token|secret|credential|private|api_?key`)
	literalCredential = regexp.MustCompile(`(?i)(password|passwd|requirepass|masterauth|sentinel auth-pass|secret)["']?\s*[:= ]\s*["']?[^\s"'{:]`)
	urlCredential     = regexp.MustCompile(`://[^/@\s$]+:[^/@\s$]+@`)
	reference         = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)
)

func TestSecretEnvironmentVariablesAreReferencesToExistingKeys(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		known := knownSecrets(p)
		for _, w := range workloads(t, p) {
			for _, c := range w.containers() {
				if len(c.EnvFrom) > 0 {
					t.Errorf("%s: container %s takes whole objects as its environment", w, c.Name)
				}
				for _, variable := range c.Env {
					checkVariable(t, w, known, variable)
				}
			}
			for _, volume := range w.template.Spec.Volumes {
				checkVolume(t, w, known, volume)
			}
		}
	})
}

func checkVariable(t *testing.T, w workload, known map[string][]string, variable corev1.EnvVar) {
	t.Helper()
	if secretName.MatchString(variable.Name) && variable.ValueFrom == nil || urlCredential.MatchString(variable.Value) {
		t.Errorf("%s: %s holds %q itself", w, variable.Name, variable.Value)
	}
	if variable.ValueFrom == nil || variable.ValueFrom.SecretKeyRef == nil {
		return
	}
	ref := variable.ValueFrom.SecretKeyRef
	if ref.Optional != nil || !slices.Contains(known[ref.Name], ref.Key) {
		t.Errorf("%s: %s is from key %s of Secret %s, which has %v", w, variable.Name, ref.Key, ref.Name, known[ref.Name])
	}
}

// checkVolume wants single keys: a pod gets no password that it does not use.
func checkVolume(t *testing.T, w workload, known map[string][]string, volume corev1.Volume) {
	t.Helper()
	if volume.Secret == nil {
		return
	}
	if len(volume.Secret.Items) == 0 || volume.Secret.Optional != nil {
		t.Errorf("%s: volume %s is all of Secret %s, or optional", w, volume.Name, volume.Secret.SecretName)
	}
	for _, item := range volume.Secret.Items {
		if !slices.Contains(known[volume.Secret.SecretName], item.Key) {
			t.Errorf("%s: volume %s is key %s of Secret %s, which has %v",
				w, volume.Name, item.Key, volume.Secret.SecretName, known[volume.Secret.SecretName])
		}
	}
}

// knownSecrets are the keys of every Secret that is generated or asked for, by its name.
func knownSecrets(p plan.Plan) map[string][]string {
	known := map[string][]string{}
	for _, secret := range secrets(p) {
		known[secret.Name] = keys(secret)
	}
	for component := range p.CertificateNames() {
		known[p.CertificateSecret(component)] = []string{plan.KeyCertificate, plan.KeyPrivateKey, plan.KeyAuthorities}
	}
	if external := p.Database.External; external != nil {
		known[external.CredentialsSecret] = []string{"password", "userlist.txt", "username"}
	}
	return known
}

// Kubernetes leaves a reference to a variable that is not defined before as it is.
func TestReferencesInEnvironmentVariablesAreToEarlierOnes(t *testing.T) {
	forEachContainer(t, func(t *testing.T, w workload, c corev1.Container) {
		t.Helper()
		defined := map[string]bool{}
		for _, variable := range c.Env {
			for _, match := range reference.FindAllStringSubmatch(variable.Value, -1) {
				if !defined[match[1]] {
					t.Errorf("%s: %s refers to %s, which is not defined before it", w, variable.Name, match[1])
				}
			}
			if defined[variable.Name] {
				t.Errorf("%s: %s is defined twice", w, variable.Name)
			}
			defined[variable.Name] = true
		}
	})
}

func TestConfigurationFilesHoldNoCredentials(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, configMap := range only[*corev1.ConfigMap](children(t, p)) {
			for name, text := range configMap.Data {
				for line := range strings.Lines(text) {
					if literalCredential.MatchString(line) || urlCredential.MatchString(line) {
						t.Errorf("%s/%s: %s", configMap.Name, name, line)
					}
				}
			}
		}
	})
}

func TestTheCredentialPatternsSeeACredential(t *testing.T) {
	for _, line := range []string{
		"requirepass hunter2", `password: hunter2`, `"password": "hunter2"`, "password = 'hunter2'", "sentinel auth-pass queue hunter2",
	} {
		if !literalCredential.MatchString(line) {
			t.Errorf("%q is taken for harmless", line)
		}
	}
	if !urlCredential.MatchString("postgres://fediflow:hunter2@db/fediflow") {
		t.Error("a password in a URL is taken for harmless")
	}
}

func TestSecretsAreGeneratedAndNeverRendered(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		if all := only[*corev1.Secret](children(t, p)); len(all) > 0 {
			t.Errorf("%d Secrets are rendered", len(all))
		}
		for _, secret := range secrets(p) {
			if len(secret.Random) == 0 {
				t.Errorf("Secret %s has no random key", secret.Name)
			}
			if secret.Namespace != p.Namespace || len(secret.Labels) == 0 {
				t.Errorf("Secret %s is in namespace %q with labels %v", secret.Name, secret.Namespace, secret.Labels)
			}
		}
	})
}

// A store with volumes needs the password it was made with: a missing one is not generated anew.
func TestMissingSecretsOfVolumesAreNotGeneratedAnew(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, w := range workloads(t, p) {
			for _, name := range secretsOf(w) {
				// Accounts that are no part of the data: whoever needs them takes a new one when it starts.
				account := name == p.Name.PoolerAdmin() || name == p.Name.PostgresOperator()
				guarded := (w.component == plan.Postgres || w.component == plan.Redis) && !account
				for _, secret := range secrets(p) {
					if secret.Name == name && guarded && (secret.Guards == nil || !w.selectedBy(secret.Guards)) {
						t.Errorf("%s needs Secret %s, which guards only %v", w, name, secret.Guards)
					}
				}
			}
		}
	})
}

func secretsOf(w workload) []string {
	var names []string
	for _, c := range w.containers() {
		for _, variable := range c.Env {
			if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
				names = append(names, variable.ValueFrom.SecretKeyRef.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
