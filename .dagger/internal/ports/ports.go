// Package ports finds in manifests the port on which a service listens.
package ports

import (
	"io/fs"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Found is a port and the file that says it.
type Found struct {
	Port int
	File string
}

// workload is what is read of an object with pods.
type workload struct {
	Spec struct {
		Template struct {
			Spec struct {
				Containers []struct {
					Image string `json:"image"`
					Ports []struct {
						Name          string `json:"name"`
						ContainerPort int    `json:"containerPort"`
						Protocol      string `json:"protocol"`
					} `json:"ports"`
				} `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

// between stands between two documents of a YAML text.
var between = regexp.MustCompile(`(?m)^---\s*$`)

// Base is the directory of the layer base in a manifests directory, which may be that itself.
func Base(manifests fs.FS) string {
	if info, err := fs.Stat(manifests, "base"); err == nil && info.IsDir() {
		return "base"
	}
	return "."
}

// Find is the port named http of the service's containers, or their only one, in the YAML
// files of a base and below. The containers are those with the given image, which "" does
// not narrow; where several images have ports, it is not known which is the service's.
// Nothing is rendered: what a patch or an overlay changes is not seen, and what cannot be
// read is left to who renders it.
func Find(base fs.FS, image string) (Found, bool) {
	var named, all []Found
	images := map[string]bool{}
	_ = fs.WalkDir(base, ".", func(file string, entry fs.DirEntry, err error) error {
		if ext := path.Ext(file); err != nil || !entry.Type().IsRegular() || ext != ".yaml" && ext != ".yml" {
			return nil
		}
		text, err := fs.ReadFile(base, file)
		if err != nil {
			return nil
		}
		for _, document := range between.Split(string(text), -1) {
			var w workload
			if yaml.Unmarshal([]byte(document), &w) != nil {
				continue
			}
			for _, c := range w.Spec.Template.Spec.Containers {
				if image != "" && name(c.Image) != image {
					continue
				}
				for _, p := range c.Ports {
					if p.ContainerPort < 1 || p.ContainerPort > 65535 || p.Protocol != "" && p.Protocol != "TCP" {
						continue
					}
					images[name(c.Image)] = true
					all = append(all, Found{p.ContainerPort, file})
					if p.Name == "http" {
						named = append(named, Found{p.ContainerPort, file})
					}
				}
			}
		}
		return nil
	})
	if len(images) > 1 {
		return Found{}, false
	}
	if len(named) > 0 {
		return only(named)
	}
	return only(all)
}

// only is the port that all agree on.
func only(found []Found) (Found, bool) {
	for _, f := range found {
		if f.Port != found[0].Port {
			return Found{}, false
		}
	}
	if len(found) == 0 {
		return Found{}, false
	}
	return found[0], true
}

// name is an image without its tag and digest.
func name(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if tag := strings.LastIndex(image, ":"); tag > strings.LastIndex(image, "/") {
		image = image[:tag]
	}
	return image
}
