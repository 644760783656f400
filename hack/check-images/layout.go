package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// descriptor, index, manifest and config are the parts of the OCI image format that are looked at.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
	Platform  struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

type index struct {
	Manifests []descriptor `json:"manifests"`
}

type manifest struct {
	Config descriptor   `json:"config"`
	Layers []descriptor `json:"layers"`
}

type config struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Created      string `json:"created"`
	Config       struct {
		User       string            `json:"User"`
		Entrypoint []string          `json:"Entrypoint"`
		Labels     map[string]string `json:"Labels"`
	} `json:"config"`
}

// file is a regular file of an image.
type file struct {
	mode os.FileMode
	data []byte
}

// image is one image of a layout, for one platform.
type image struct {
	digest   string
	platform string // linux/amd64
	config   config
	files    map[string]file // by absolute path
	size     int64           // of the layers as they are pulled
}

// readLayout reads the images of an OCI layout, which must hold one index.
func readLayout(dir string) ([]image, error) {
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return nil, fmt.Errorf("reading the layout: %w", err)
	}
	var top, platforms index
	if err := json.Unmarshal(data, &top); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, "index.json"), err)
	}
	if len(top.Manifests) != 1 || !strings.HasSuffix(top.Manifests[0].MediaType, ".index.v1+json") {
		return nil, fmt.Errorf("the layout %s must hold one image index and nothing else", dir)
	}
	if err := readJSON(dir, top.Manifests[0], &platforms); err != nil {
		return nil, err
	}
	var images []image
	for _, entry := range platforms.Manifests {
		image, err := readImage(dir, entry)
		if err != nil {
			return nil, err
		}
		images = append(images, image)
	}
	return images, nil
}

func readImage(dir string, entry descriptor) (image, error) {
	found := image{digest: entry.Digest, platform: entry.Platform.OS + "/" + entry.Platform.Architecture, files: map[string]file{}}
	var parts manifest
	if err := readJSON(dir, entry, &parts); err != nil {
		return image{}, err
	}
	if err := readJSON(dir, parts.Config, &found.config); err != nil {
		return image{}, err
	}
	for _, layer := range parts.Layers {
		found.size += layer.Size
		data, err := readBlob(dir, layer)
		if err != nil {
			return image{}, err
		}
		if err := unpack(data, found.files); err != nil {
			return image{}, fmt.Errorf("unpacking the layer %s: %w", layer.Digest, err)
		}
	}
	return found, nil
}

func readJSON(dir string, blob descriptor, into any) error {
	data, err := readBlob(dir, blob)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading the blob %s: %w", blob.Digest, err)
	}
	return nil
}

// readBlob fails when the blob is not what its digest says.
func readBlob(dir string, blob descriptor) ([]byte, error) {
	hash, ok := strings.CutPrefix(blob.Digest, "sha256:")
	if !ok {
		return nil, fmt.Errorf("the digest %s is not sha256", blob.Digest)
	}
	data, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", hash))
	if err != nil {
		return nil, fmt.Errorf("reading a blob: %w", err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != hash || int64(len(data)) != blob.Size {
		return nil, fmt.Errorf("the blob %s is damaged", blob.Digest)
	}
	return data, nil
}

// unpack adds the regular files of a gzipped layer.
func unpack(layer []byte, files map[string]file) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return err
	}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		files[path.Join("/", header.Name)] = file{mode: header.FileInfo().Mode(), data: data}
	}
}
