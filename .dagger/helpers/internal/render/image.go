package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/helpers/internal/object"
)

// setImages has every container that runs the image of a name run another: that of name runs
// image, and others have theirs. Without a name, the objects must run but one beside the others.
func setImages(objects []object.Object, image, name string, others map[string]string) error {
	names := map[string]bool{}
	for _, o := range objects {
		eachContainer(map[string]any(o), func(c map[string]any, running string) { names[withoutTag(running)] = true })
	}
	there := slices.Sorted(maps.Keys(names))
	left := slices.DeleteFunc(slices.Clone(there), func(name string) bool { return others[name] != "" })
	for _, other := range slices.Sorted(maps.Keys(others)) {
		if !names[other] {
			return fmt.Errorf("--images %s: the manifests run no image of that name; they run: %s", other, strings.Join(there, ", "))
		}
	}
	switch {
	case len(there) == 0:
		return errors.New("the manifests run no container, and there is no image to set: add a Deployment, or have " +
			"dagger -y call init write one where there is no directory manifests")
	case name != "" && !names[name]:
		return fmt.Errorf("--image-name %s: the manifests run no image of that name; they run: %s", name, strings.Join(there, ", "))
	case others[name] != "":
		return fmt.Errorf("--image-name and --images both name %s: leave it to one of them", name)
	case len(left) == 0:
		return errors.New("the manifests run no image but those of --images: leave the service's own to --image")
	case name == "" && len(left) > 1:
		return fmt.Errorf("the manifests run several images: say which one to set with --image-name: %s; --images sets others too",
			strings.Join(left, ", "))
	case name == "":
		name = left[0]
	}
	set := maps.Clone(others)
	if set == nil {
		set = map[string]string{}
	}
	set[name] = image
	for _, o := range objects {
		eachContainer(map[string]any(o), func(c map[string]any, running string) {
			if to := set[withoutTag(running)]; to != "" {
				c["image"] = to
			}
		})
	}
	return nil
}

// eachContainer finds containers wherever a kind keeps its pod template.
func eachContainer(node any, found func(container map[string]any, image string)) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			eachContainer(item, found)
		}
	case map[string]any:
		for key, value := range node {
			if containers, ok := value.([]any); ok && (key == "containers" || key == "initContainers") {
				for _, c := range containers {
					container, _ := c.(map[string]any)
					if image, ok := container["image"].(string); ok {
						found(container, image)
					}
				}
			}
			eachContainer(value, found)
		}
	}
}

// withoutTag cuts what follows a name's last path element: :tag, @digest or both.
func withoutTag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		image = image[:colon]
	}
	return image
}
