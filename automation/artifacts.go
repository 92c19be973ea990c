package automation

import (
	"context"
	"os"
	"path/filepath"

	"github.com/meshwright/meshwright/internal/artifacts"
)

// WhyDefaultArtifacts is the Tool.Why of artifacts that Options.DefaultArtifacts chose.
const WhyDefaultArtifacts = "the default here"

// source decides where the lab's parts come from.
func (l *Lab) source(r *Record) string {
	source, _ := l.chooseArtifacts(r)
	return source
}

// chooseArtifacts decides where the lab's parts come from, and says why: as asked,
// as before, from the kit where one has been built, else from the registries.
func (l *Lab) chooseArtifacts(r *Record) (source, why string) {
	switch {
	case l.o.Artifacts != "":
		return l.o.Artifacts, "asked for"
	case r != nil && r.Artifacts != "":
		return r.Artifacts, "as the lab was made"
	case l.o.DefaultArtifacts != "":
		return l.o.DefaultArtifacts, WhyDefaultArtifacts
	}
	if _, err := os.Stat(filepath.Join(l.o.KitDir, artifacts.File)); err == nil {
		return ArtifactsAirgap, "a kit has been built"
	}
	return ArtifactsRegistry, "no kit has been built"
}

func (l *Lab) artifacts(ctx context.Context, source string) (*artifacts.Set, error) {
	if source == ArtifactsRegistry {
		return l.registry(ctx)
	}
	return artifacts.Load(l.o.KitDir)
}
