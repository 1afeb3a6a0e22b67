package plan

// Row is one line of the plan's table.
type Row struct {
	Name string
	// MaxReplicas is zero where no autoscaler decides.
	Replicas, MaxReplicas int32
	Resources             Resources
	// Sidecar are the resources of a container beside the main one; zero where there is none.
	Sidecar Resources
	// Storage is nil where there is none.
	Storage *Storage
}

// Pod is what each pod asks for.
func (r Row) Pod() Resources {
	cpu, memory := r.Resources.CPU.DeepCopy(), r.Resources.Memory.DeepCopy()
	cpu.Add(r.Sidecar.CPU)
	memory.Add(r.Sidecar.Memory)
	return Resources{CPU: cpu, Memory: memory}
}

// Rows are the figures of every part of the platform, in the order in which they are applied.
func (p *Plan) Rows() []Row {
	var rows []Row
	if m := p.Database.Managed; m != nil {
		rows = append(rows, Row{
			Name: string(Postgres), Replicas: m.Instances, Resources: m.Resources, Sidecar: m.Exporter, Storage: &m.Storage,
		})
	}
	for _, store := range p.Redis.Stores {
		rows = append(rows, Row{
			Name: p.Short(p.Name.RedisStore(store.Name)), Replicas: store.Replicas,
			Resources: store.Resources, Storage: store.Storage,
		})
	}
	sentinels := p.Redis.Sentinels
	rows = append(rows, Row{
		Name: p.Short(p.Name.RedisSentinel()), Replicas: sentinels.Replicas,
		Resources: sentinels.Resources, Storage: &sentinels.Storage,
	})
	for _, access := range p.Pooler.Accesses {
		rows = append(rows, Row{
			Name: p.Short(p.Name.Pooler(access)), Replicas: p.Pooler.Replicas, Resources: p.Pooler.Resources,
		})
	}
	for _, region := range p.Edge.Regions {
		rows = append(rows, Row{
			Name: p.Short(p.Name.EdgeRegion(region.Name)), Replicas: region.Replicas,
			Resources: p.Edge.Resources, Storage: &p.Edge.Storage,
		})
	}
	return append(rows, Row{
		Name: string(API), Replicas: p.API.Autoscaling.MinReplicas, MaxReplicas: p.API.Autoscaling.MaxReplicas,
		Resources: p.API.Resources,
	})
}
