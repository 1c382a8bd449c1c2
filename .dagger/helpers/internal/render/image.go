package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/helpers/internal/object"
)

// setImage has every container that runs the image of a name run another. Without a
// name, the objects must run but one image.
func setImage(objects []object.Object, image, name string) error {
	names := map[string]bool{}
	for _, o := range objects {
		eachContainer(map[string]any(o), func(c map[string]any, running string) { names[withoutTag(running)] = true })
	}
	there := slices.Sorted(maps.Keys(names))
	switch {
	case len(there) == 0:
		return errors.New("the manifests run no container: there is no image to set")
	case name != "" && !names[name]:
		return fmt.Errorf("--image-name %s: the manifests run no image of that name; they run: %s", name, strings.Join(there, ", "))
	case name == "" && len(there) > 1:
		return fmt.Errorf("the manifests run several images: say which one to set with --image-name: %s", strings.Join(there, ", "))
	case name == "":
		name = there[0]
	}
	for _, o := range objects {
		eachContainer(map[string]any(o), func(c map[string]any, running string) {
			if withoutTag(running) == name {
				c["image"] = image
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
