<#
.SYNOPSIS
Checks that `cargo wdk build` has made a package, and runs InfVerif over it in every mode.

.DESCRIPTION
`cargo wdk build` ends with 0 also where it packages nothing, and shows what InfVerif says only if it fails. This looks for
the files and runs InfVerif again: as universal driver, as Windows driver with its isolation rules, for the present WHQL
rules and for the coming ones. Start it where InfVerif is found: in a WDK prompt, or after Install-WdkPackage.ps1.

.PARAMETER Package
The folder of the package, for example target\x86_64-pc-windows-msvc\release\write_filter_package.

.PARAMETER Unsigned
The package was built with --sign-mode off.

.EXAMPLE
.\Test-DriverPackage.ps1 -Package ..\..\target\x86_64-pc-windows-msvc\release\write_filter_package
#>
#Requires -Version 5.1
[CmdletBinding()]
param(
    [Parameter(Mandatory)]
    [ValidatePattern('_package[\\/]?$')]
    [string] $Package,

    [switch] $Unsigned
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

if (-not (Test-Path -LiteralPath $Package -PathType Container)) {
    throw "There is no $Package`: cargo wdk build has packaged nothing."
}
$name = (Split-Path -Path $Package -Leaf) -replace '_package$', ''
foreach ($extension in 'sys', 'pdb', 'inf', 'cat') {
    $file = Join-Path -Path $Package -ChildPath "$name.$extension"
    if (-not (Test-Path -LiteralPath $file -PathType Leaf)) {
        throw "The package has no $name.$extension."
    }
}
$inf = Join-Path -Path $Package -ChildPath "$name.inf"
$driver = Join-Path -Path $Package -ChildPath "$name.sys"

$file = Get-Item -LiteralPath $driver
if (-not $file.VersionInfo.FileVersion) {
    throw "$name.sys has no version resource."
}
if (-not $Unsigned) {
    foreach ($signed in $driver, (Join-Path -Path $Package -ChildPath "$name.cat")) {
        if ($null -eq (Get-AuthenticodeSignature -LiteralPath $signed).SignerCertificate) {
            throw "$signed is not signed."
        }
    }
}

$tools = if (Test-Path -Path Env:WDKToolRoot) {
    $architecture = if ($env:PROCESSOR_ARCHITECTURE -eq 'ARM64') { 'arm64' } else { 'x64' }
    Join-Path -Path $env:WDKToolRoot -ChildPath "$architecture\infverif.exe"
}
else {
    Find-WdkTool -Name 'infverif.exe' -Under 'Tools'
}
foreach ($mode in '/k', '/u', '/w', '/h') {
    $run = Invoke-Tool -Path $tools -Arguments '/v', $mode, $inf
    Write-Output "InfVerif $mode $name.inf: passed"
    $run.Output | Write-Output
}
# What the coming rules say is for information: they change with every release.
$run = Invoke-Tool -Path $tools -Arguments '/v', '/h', '/rulever', 'vnext', $inf -Expected @(-1..255)
Write-Output "InfVerif /h /rulever vnext $name.inf: ended with $($run.ExitCode)"
$run.Output | Write-Output
