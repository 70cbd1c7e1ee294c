{{- define "trainyard.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- else if contains (include "trainyard.name" .) .Release.Name -}}
{{- .Release.Name | trunc 55 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "trainyard.name" .) | trunc 55 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "trainyard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 55 | trimSuffix "-" -}}
{{- end -}}

{{- define "trainyard.serviceAccount" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "trainyard.fullname" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- define "trainyard.selector" -}}
app.kubernetes.io/name: {{ include "trainyard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "trainyard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "trainyard.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "trainyard.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* Kinds of the drivers that run, a list as JSON. */ -}}
{{- define "trainyard.kinds" -}}
{{- $kinds := list -}}
{{- if .Values.neuron.enabled }}{{ $kinds = append $kinds "neuron" }}{{ end -}}
{{- if .Values.efa.enabled }}{{ $kinds = append $kinds "efa" }}{{ end -}}
{{- if not $kinds }}{{ fail "neuron.enabled and efa.enabled are both false: nothing would run" }}{{ end -}}
{{- if and (eq (len $kinds) 2) (eq .Values.neuron.driverName .Values.efa.driverName) }}
{{- fail (printf "neuron.driverName and efa.driverName are both %s" .Values.efa.driverName) }}
{{- end -}}
{{- toJson $kinds -}}
{{- end -}}

{{- /* Where this node's emulated machine is, inside and outside of the container. */ -}}
{{- define "trainyard.machine" -}}
{{- printf "%s/$(NODE_NAME)" (trimSuffix "/" .Values.emulation.directory) -}}
{{- end -}}
