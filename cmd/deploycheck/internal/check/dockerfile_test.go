package check_test

import "testing"

func TestDockerfile(t *testing.T) {
	testPlaces(t, "Dockerfile", map[string]place{
		"a list of words":           {data: "FROM a\nENTRYPOINT [\"/app\"]\n", want: "- - grace-default"},
		"the shell form of CMD":     {data: "FROM a\nCMD /app -x\n", want: "- - grace-default shell-pid1"},
		"the shell form, with exec": {data: "FROM a\nCMD exec /app -x\n", want: "- - grace-default"},
		"the shell form of ENTRYPOINT": {
			data: "FROM a\nENTRYPOINT /app\nCMD [\"-x\"]\n", want: "- - grace-default shell-pid1",
		},
		"an entrypoint in a list, and CMD in shell form": {data: "FROM a\nENTRYPOINT [\"/app\"]\nCMD -x\n", want: "- - grace-default"},
		"a list with single quotes is the shell form":    {data: "FROM a\nENTRYPOINT ['/app']\n", want: "- - grace-default shell-pid1"},
		"tini and a shell":                              {data: "FROM a\nENTRYPOINT [\"tini\", \"--\", \"sh\", \"-c\", \"/app\"]\n", want: "- - grace-default shell-pid1"},
		"tini and a program":                            {data: "FROM a\nENTRYPOINT [\"tini\", \"--\", \"/app\"]\n", want: "- - grace-default"},
		"a script":                                      {data: "FROM a\nENTRYPOINT [\"sh\", \"/run.sh\"]\n", want: "- - grace-default shell-script"},
		"a script as the program":                       {data: "FROM a\nENTRYPOINT [\"/entrypoint.sh\", \"/app\"]\n", want: "- - grace-default shell-script"},
		"the last stage counts":                         {data: "FROM a AS build\nCMD /app\nFROM b\nCMD [\"/app\"]\n", want: "- - grace-default"},
		"a stage that is built from another":            {data: "FROM a AS base\nCMD /app\nFROM base\nRUN true\n", want: "- - grace-default shell-pid1"},
		"ENTRYPOINT resets the CMD of the stage before": {data: "FROM a AS base\nCMD /app\nFROM base\nENTRYPOINT [\"/app\"]\n", want: "- - grace-default"},
		"SHELL":                                       {data: "FROM a\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\nCMD /app\n", want: "- - grace-default shell-pid1"},
		"SHELL of Windows":                            {data: "FROM a\nSHELL [\"powershell\", \"-Command\"]\nCMD app\n", want: "- - grace-default"},
		"STOPSIGNAL":                                  {data: "FROM a\nSTOPSIGNAL SIGQUIT\n", want: "- - grace-default stop-signal"},
		"STOPSIGNAL that the program handles":         {data: "FROM a\nSTOPSIGNAL INT\n", want: "- - grace-default"},
		"STOPSIGNAL as a number":                      {data: "FROM a\nSTOPSIGNAL 3\n", want: "- - grace-default stop-signal"},
		"STOPSIGNAL in a variable":                    {data: "FROM a\nARG SIGNAL=QUIT\nSTOPSIGNAL SIG$SIGNAL\n", want: "- - grace-default stop-signal"},
		"STOPSIGNAL of a variable without a value":    {data: "FROM a\nARG SIGNAL\nSTOPSIGNAL $SIGNAL\n", want: "- - grace-default stop-signal"},
		"STOPSIGNAL that does not exist":              {data: "FROM a\nSTOPSIGNAL SIGTREM\n", want: "- - grace-default stop-signal"},
		"a base in a variable":                        {data: "ARG VARIANT=prod\nFROM a AS prod\nSTOPSIGNAL QUIT\nFROM ${VARIANT}\nCMD [\"/app\"]\n", want: "- - grace-default stop-signal"},
		"a base in a variable with a default":         {data: "FROM a AS prod\nSTOPSIGNAL QUIT\nFROM ${VARIANT:-prod}\nCMD [\"/app\"]\n", want: "- - grace-default stop-signal"},
		"ENV wins over ARG":                           {data: "FROM a\nENV SIGNAL=QUIT\nARG SIGNAL=TERM\nSTOPSIGNAL $SIGNAL\n", want: "- - grace-default stop-signal"},
		"an ARG before FROM":                          {data: "ARG SIGNAL=TERM\nFROM a\nSTOPSIGNAL $SIGNAL\n", want: "- - grace-default stop-signal"},
		"an ARG before FROM, taken by the stage":      {data: "ARG SIGNAL=TERM\nFROM a\nARG SIGNAL\nSTOPSIGNAL $SIGNAL\n", want: "- - grace-default"},
		"an ARG of the stage wins":                    {data: "ARG SIGNAL=TERM\nFROM a\nARG SIGNAL=QUIT\nSTOPSIGNAL $SIGNAL\n", want: "- - grace-default stop-signal"},
		"an ARG of the stage before":                  {data: "FROM a AS base\nARG SIGNAL=TERM\nFROM base\nSTOPSIGNAL $SIGNAL\n", want: "- - grace-default"},
		"nothing to run":                              {data: "FROM scratch\nCOPY a /a\n", want: "- - grace-default"},
		"comments, directives and continuation lines": {data: "# syntax=docker/dockerfile:1\n# escape=\\\nFROM a\nCMD [\"/app\", \\\n# comment\n  \"-x\"]\n", want: "- - grace-default"},
		"another name":                                {name: "app.Dockerfile", data: "FROM a\nCMD /app\n", want: "- - grace-default shell-pid1"},
		"a template":                                  {data: "FROM {{ .Base }}\nCMD [\"/app\"]\n", want: "- - not-rendered"},
		"a template with a statement":                 {name: "Dockerfile.j2", data: "{% if x %}\nFROM a\n{% endif %}\n", want: "- - not-rendered"},
		"an unknown instruction":                      {data: "FROM a\nSTOPSIGNEL INT\n", want: "unreadable: line 2: unknown instruction: STOPSIGNEL"},
		"no FROM":                                     {data: "CMD [\"/app\"]\n", want: "unreadable: line 1: no build stage"},
		"an empty file":                               {data: "# nothing\n", want: "unreadable: file with no instructions"},
	})
}
