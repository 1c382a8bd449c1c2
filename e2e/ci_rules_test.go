package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	commit   = regexp.MustCompile(`^[^@\s]+@[0-9a-f]{40}$`)
	byDigest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
	// piped is a shell that reads its script from another program.
	piped    = regexp.MustCompile(`\|\s*(sudo\s+(-\S+\s+)*)?(ba|da|z)?sh\b`)
	installs = regexp.MustCompile(`\b(apk add|apt-get install|pip install|npm install|go install)\b`)
	// chosen is a variable whose value somebody without rights chooses.
	chosen = regexp.MustCompile(`\$\{?(CI_COMMIT_(TAG|REF_NAME|BRANCH|MESSAGE|TITLE|AUTHOR)|CI_MERGE_REQUEST_\w+|` +
		`GITHUB_(REF_NAME|HEAD_REF|REF))\b`)
	quoted = regexp.MustCompile(`"[^"]*"`)
)

// script are the problems of what a job has a shell do.
func script(job, text string) []string {
	var found []string
	say := func(wrong bool, what string) {
		if wrong {
			found = append(found, job+": "+what)
		}
	}
	say(strings.Contains(text, "${{"), "an expression in a shell: give it as a variable")
	say(piped.MatchString(text), "runs what it downloads")
	say(installs.MatchString(text), "installs what is newest today")
	say(strings.Contains(text, "eval "), "eval")
	say(chosen.MatchString(quoted.ReplaceAllString(text, "")), "a name that somebody chose without quotes: "+text)
	downloads := strings.Contains(text, "curl ") || strings.Contains(text, "wget ")
	say(downloads && strings.Contains(text, "releases/download") && !strings.Contains(text, "sha256sum -"), "a program without a checksum")
	return found
}

// github are the problems of a workflow.
func github(workflow map[string]any) []string {
	var found []string
	// YAML 1.1 reads the key on as true.
	triggers := object(workflow["true"])
	for _, trigger := range slices.Sorted(maps.Keys(triggers)) {
		if !slices.Contains([]string{"pull_request", "push", "schedule"}, trigger) {
			found = append(found, "started by "+trigger)
		}
	}
	if permissions, there := workflow["permissions"].(map[string]any); !there || len(permissions) > 0 {
		found = append(found, "permissions of all jobs: must be {}")
	}
	jobs := object(workflow["jobs"])
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		job := object(jobs[name])
		text := fmt.Sprint(job)
		found = append(found, githubSteps(name, job)...)
		privileged := []string{}
		for scope, level := range object(job["permissions"]) {
			switch {
			case level != "write":
			case scope == "packages", scope == "id-token":
				privileged = append(privileged, scope)
			default:
				found = append(found, fmt.Sprintf("%s: may write: %s: write", name, scope))
			}
		}
		if job["permissions"] == nil {
			found = append(found, name+": says nothing of permissions")
		}
		if len(privileged) > 1 {
			found = append(found, name+": may do the work of two jobs")
		}
		if strings.Contains(text, "secrets.KUBE") {
			found = append(found, name+": a stored kubeconfig")
		}
		secret := strings.Contains(text, "secrets.") || job["environment"] != nil
		if !secret && len(privileged) == 0 {
			continue
		}
		if job["needs"] == nil {
			found = append(found, name+": has a secret")
		}
		if condition, _ := job["if"].(string); !strings.Contains(condition, "startsWith(github.ref, 'refs/tags/v')") {
			found = append(found, name+": not only for tags")
		}
		needed, _ := job["needs"].(string)
		if !strings.Contains(text+fmt.Sprint(jobs[needed]), "git merge-base --is-ancestor \"$GITHUB_SHA\" origin/main") {
			found = append(found, name+": not known to be on the main branch")
		}
	}
	return found
}

func githubSteps(name string, job map[string]any) []string {
	var found []string
	steps, _ := job["steps"].([]any)
	for _, s := range steps {
		step := object(s)
		run, _ := step["run"].(string)
		found = append(found, script(name, run)...)
		uses, _ := step["uses"].(string)
		if uses == "" {
			continue
		}
		if !commit.MatchString(uses) {
			found = append(found, name+": "+uses+" is no commit")
		}
		if strings.HasPrefix(uses, "actions/checkout@") && object(step["with"])["persist-credentials"] != false {
			found = append(found, name+": checkout without persist-credentials: false")
		}
	}
	return found
}

// notJobs are keys of a GitLab pipeline beside its jobs.
var notJobs = []string{"variables", "workflow", "stages", "include"}

// gitlab are the problems of a pipeline.
func gitlab(pipeline map[string]any) []string {
	var found []string
	if pipeline["include"] != nil {
		found = append(found, "includes what others write")
	}
	for _, name := range slices.Sorted(maps.Keys(pipeline)) {
		if slices.Contains(notJobs, name) {
			continue
		}
		job := object(pipeline[name])
		text := fmt.Sprint(job)
		for _, image := range images(job) {
			if !byDigest.MatchString(image) {
				found = append(found, fmt.Sprintf("%s: image %s has no digest", name, image))
			}
		}
		var lines []string
		for _, key := range []string{"before_script", "script", "after_script"} {
			list, _ := job[key].([]any)
			for _, line := range list {
				lines = append(lines, fmt.Sprint(line))
			}
		}
		found = append(found, script(name, strings.Join(lines, "\n"))...)
		if strings.Contains(text, "$KUBECONFIG") || strings.Contains(text, "env:KUBECONFIG") {
			found = append(found, name+": a stored kubeconfig")
		}
		if !strings.Contains(text, "CI_REGISTRY_PASSWORD") && job["id_tokens"] == nil && job["environment"] == nil {
			continue
		}
		if job["needs"] == nil {
			found = append(found, name+": has a secret")
		}
		rules, _ := job["rules"].([]any)
		if len(rules) != 1 || object(rules[0])["if"] != `$CI_COMMIT_TAG && $CI_COMMIT_REF_PROTECTED == "true"` {
			found = append(found, name+": not only for protected tags")
		}
		needed := ""
		if list, _ := job["needs"].([]any); len(list) == 1 {
			needed = fmt.Sprint(pipeline[fmt.Sprint(list[0])])
		}
		if !strings.Contains(text+needed, `git merge-base --is-ancestor "$CI_COMMIT_SHA" FETCH_HEAD`) {
			found = append(found, name+": not known to be on the main branch")
		}
	}
	return found
}

// images are those of a job and of its services, which are a name or an object with one.
func images(job map[string]any) []string {
	services, _ := job["services"].([]any)
	var names []string
	for _, image := range append(services, job["image"]) {
		if name := object(image)["name"]; name != nil {
			image = name
		}
		if image != nil {
			names = append(names, fmt.Sprint(image))
		}
	}
	return names
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
