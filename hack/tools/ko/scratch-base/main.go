// Command scratch-base writes the base of the project's images into ko's cache and prints its reference: an image without a
// file, for each platform, that runs as a user without rights.
//
// ko builds on a base that it pulls from a registry, and knows no "FROM scratch". But a base that is named by its digest it
// takes from its cache, so that images can be built without a registry. The digest is the same on every machine.
//
// usage: scratch-base KOCACHE
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// name is what the images say of their base. Nothing is served under it.
	name = "localhost/scratch"
	// user and group are those of "nonroot" in distroless images.
	user = "65532:65532"
)

var architectures = []string{"amd64", "arm64"}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: scratch-base KOCACHE")
		os.Exit(2)
	}
	// ko looks for bases in this folder of its cache.
	reference, err := write(filepath.Join(os.Args[1], "img"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "scratch-base:", err)
		os.Exit(1)
	}
	fmt.Println(reference)
}

// write adds the base to an OCI layout, which it makes if there is none.
func write(path string) (reference string, err error) {
	images, err := images()
	if err != nil {
		return "", fmt.Errorf("making the images: %w", err)
	}
	var index v1.ImageIndex = empty.Index
	for i, image := range images {
		platform := &v1.Platform{OS: "linux", Architecture: architectures[i]}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	digest, err := index.Digest()
	if err != nil {
		return "", fmt.Errorf("making the index: %w", err)
	}
	cache, err := open(path)
	if err != nil {
		return "", err
	}
	// ko looks each of them up by its digest, in the first index of the layout alone.
	err = cache.ReplaceIndex(index, match.Digests(digest))
	for _, image := range images {
		own, digestErr := image.Digest()
		err = errors.Join(err, digestErr, cache.ReplaceImage(image, match.Digests(own)))
	}
	if err != nil {
		return "", fmt.Errorf("writing to %s: %w", path, err)
	}
	return name + "@" + digest.String(), nil
}

func open(path string) (layout.Path, error) {
	cache, err := layout.FromPath(path)
	if errors.Is(err, os.ErrNotExist) {
		cache, err = layout.Write(path, empty.Index)
	}
	if err != nil {
		return "", fmt.Errorf("opening ko's cache: %w", err)
	}
	return cache, nil
}

// images are without a layer, one for each architecture.
func images() ([]v1.Image, error) {
	var all []v1.Image
	for _, architecture := range architectures {
		image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
		image, err := mutate.ConfigFile(image, &v1.ConfigFile{
			OS: "linux", Architecture: architecture, RootFS: v1.RootFS{Type: "layers"}, Config: v1.Config{User: user},
		})
		if err != nil {
			return nil, err
		}
		all = append(all, image)
	}
	return all, nil
}
