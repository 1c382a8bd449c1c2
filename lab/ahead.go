package main

import (
	"fmt"
	"runtime"
	"slices"
)

// minutes of one core that the steps which take some do take, by name.
var minutes = map[string]int{
	"dagger": 9, "kubernetes": 9, "kubectl": 2, "go-sdk-caches": 2, "distribution": 1,
	"golangci-lint": 12, "debian-go": 1, "debian-go-sdk": 1, "debian-engine": 1, "debian-k3s": 1, "debian-chromium": 1,
}

// howLong says before the first of them what the steps will take, or nothing where that is no matter.
func howLong(steps []*Step) string {
	total, cores := 0, runtime.NumCPU()
	for _, s := range steps {
		total += minutes[s.Name]
	}
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("; about %d minutes on %d cores, this once", max(1, (total+cores-1)/cores), cores)
}

// ahead are the steps of images on demand that a command is going to ask for. Built beside the engine they
// are there when it is; asked for later, they would be begun after it. Where this misses one, the registry
// still makes it.
func ahead(command []string) []*Step {
	if len(command) == 0 || command[0] != "dagger" {
		return nil
	}
	switch {
	case slices.Contains(command, "lint"):
		return []*Step{linterImage}
	case slices.Contains(command, "check"):
		return []*Step{k3sImage, distributionImage, chromiumImage, linterImage}
	case slices.ContainsFunc(command, func(word string) bool {
		return slices.Contains([]string{"rehearse", "preview", "cluster"}, word)
	}):
		return []*Step{k3sImage, distributionImage}
	}
	return nil
}
