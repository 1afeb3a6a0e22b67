// Package migration renders and judges the Job that migrates the database schema before pods of a
// new image start. The Job is named by its content and connects to the primary directly.
package migration

import (
	"encoding/json"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	acbatch "k8s.io/client-go/applyconfigurations/batch/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/contract"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// attempts of a migration before a human must look.
const attempts = 4

// Component is the migration before a rollout.
func Component() component.Component {
	return component.Component{Name: plan.Migration, Gate: gate, Render: render, Assess: assess}
}

// gate waits for a database to migrate.
func gate(p plan.Plan, w component.World) component.Gate {
	if p.Database.Managed == nil || postgres.PrimaryReady(p, w) || Done(p, w) {
		return component.Gate{Open: true}
	}
	return component.Gate{Message: "waiting for postgres to have a primary"}
}

func render(p plan.Plan) component.Rendered {
	spec := template(p)
	job := acbatch.Job(jobName(p), p.Namespace).
		WithLabels(p.Name.Labels(plan.Migration)).
		WithSpec(acbatch.JobSpec().
			WithBackoffLimit(attempts - 1).
			WithTemplate(accore.PodTemplateSpec().WithLabels(p.Name.Labels(plan.Migration)).WithSpec(spec)))
	return component.Rendered{Objects: component.Owned(job)}
}

func template(p plan.Plan) *accore.PodSpecApplyConfiguration {
	return kube.PodSpec(p, kube.ApplicationUser).
		WithRestartPolicy(corev1.RestartPolicyNever).
		WithContainers(kube.Container("migrate", p.Image, p.API.Resources).
			WithCommand(p.Migration.Command...).
			WithEnv(contract.Direct(p)...).
			WithVolumeMounts(kube.Mount("tmp", "/tmp"), kube.CertificateMount())).
		WithVolumes(kube.EmptyDir("tmp"), kube.AuthoritiesVolume(p.CertificateSecret(plan.Pooler)))
}

// jobName changes with what the migration does, not with the resources it gets: a resize must not
// migrate again.
func jobName(p plan.Plan) string {
	env, err := json.Marshal(contract.Direct(p))
	if err != nil {
		panic(fmt.Sprintf("marshal environment: %v", err))
	}
	command, err := json.Marshal(p.Migration.Command)
	if err != nil {
		panic(fmt.Sprintf("marshal command: %v", err))
	}
	return p.Name.MigrationJob(kube.Hash(p.Image, string(command), string(env)))
}

// Done says whether the schema is what the plan's image needs.
func Done(p plan.Plan, w component.World) bool {
	return finished(w.Job(jobName(p)), batchv1.JobComplete)
}

func finished(job *batchv1.Job, how batchv1.JobConditionType) bool {
	if job == nil {
		return false
	}
	for _, condition := range job.Status.Conditions {
		if condition.Type == how && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func assess(p plan.Plan, w component.World) []component.Health {
	name := string(plan.Migration)
	job := w.Job(jobName(p))
	switch {
	case finished(job, batchv1.JobComplete):
		return health(component.NewHealth(name, v1alpha1.StateReady, v1alpha1.ReasonReady, ""))
	case finished(job, batchv1.JobFailed):
		failed := component.NewHealth(name, v1alpha1.StateFailed, v1alpha1.ReasonMigrationFailed, fmt.Sprintf(
			"Job %s failed: see kubectl -n %s logs job/%s, then delete the Job to try again; the old pods keep serving",
			job.Name, p.Namespace, job.Name))
		failed.NeedsHuman = true
		return health(failed)
	}
	running := component.NewHealth(name, v1alpha1.StateProgressing, v1alpha1.ReasonRollingOut, "migrating with "+p.Image)
	pods := w.PodsWith(map[string]string{batchv1.JobNameLabel: jobName(p)})
	if trouble := component.FirstTrouble(pods); trouble != nil {
		running.Reason, running.Message, running.NeedsHuman = trouble.Reason, trouble.Message, trouble.NeedsHuman
		if trouble.NeedsHuman {
			running.State = v1alpha1.StateFailed
		}
	}
	return health(running)
}

// health of a Job counts it as the one thing asked for.
func health(h component.Health) []component.Health {
	h.Desired = 1
	if h.State == v1alpha1.StateReady {
		h.Ready = 1
	}
	return []component.Health{h}
}
