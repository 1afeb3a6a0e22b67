// Package catalog is the ordered list of components. Adding one is one line here.
package catalog

import (
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/api"
	"github.com/fediflow/fediflow-operator/internal/component/edge"
	"github.com/fediflow/fediflow-operator/internal/component/migration"
	"github.com/fediflow/fediflow-operator/internal/component/pooler"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/component/redis"
)

// Components are applied and reported in this order.
func Components() []component.Component {
	return []component.Component{
		postgres.Component(),
		redis.Component(),
		pooler.Component(),
		edge.Component(),
		migration.Component(),
		api.Component(),
	}
}
