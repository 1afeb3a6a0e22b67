package plan

// Images are the images this operator ships.
type Images struct {
	Postgres  string
	PgBouncer string
	Valkey    string
	Edge      string
}

// ImagesFrom reads the images from the operator's environment, and says which variables are missing.
func ImagesFrom(environment func(name string) string) (images Images, missing []string) {
	get := func(name string) string {
		value := environment(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	}
	images = Images{
		Postgres:  get("RELATED_IMAGE_POSTGRES"),
		PgBouncer: get("RELATED_IMAGE_PGBOUNCER"),
		Valkey:    get("RELATED_IMAGE_VALKEY"),
		Edge:      get("RELATED_IMAGE_EDGE"),
	}
	return images, missing
}
