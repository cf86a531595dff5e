<#
.SYNOPSIS
Gets the WDK and the SDK as NuGet packages, and sets the variables by which wdk-build and cargo-wdk find them.

.DESCRIPTION
For a build machine without an installed WDK. The variables are set for this session, and in a GitHub workflow for the
steps that follow. A WDK or eWDK that is installed needs none of them.

.PARAMETER Version
Version of the packages, of four numbers.

.PARAMETER Destination
The folder for the packages. Choose a short one: InfVerif takes no path of 260 characters.

.EXAMPLE
.\Install-WdkPackage.ps1 -Version 10.0.26100.6584 -Destination C:\wdk
#>
#Requires -Version 5.1
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)]
    [ValidatePattern('^10\.0\.\d+\.\d+$')]
    [string] $Version,

    [Parameter(Mandatory)]
    [string] $Destination
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

if (-not $PSCmdlet.ShouldProcess($Destination, "Get the WDK $Version")) {
    return
}
foreach ($package in 'Microsoft.Windows.SDK.CPP', 'Microsoft.Windows.WDK.x64') {
    Invoke-Tool -Path 'nuget.exe' -Arguments 'install', $package, '-Version', $Version, '-OutputDirectory', $Destination |
        Out-Null
}

# The folders inside have the version of the kit, not of the package.
$kit = "$($Version.Split('.')[0..2] -join '.').0"
$wdk = Join-Path -Path $Destination -ChildPath "Microsoft.Windows.WDK.x64.$Version\c"
$sdk = Join-Path -Path $Destination -ChildPath "Microsoft.Windows.SDK.CPP.$Version\c"
$variables = [ordered]@{
    WDKContentRoot = $wdk
    Version_Number = $kit
    # wdk-build 0.6 takes these two as they are, with the version in them, and the third without.
    WDKBinRoot = Join-Path -Path $wdk -ChildPath "bin\$kit"
    WDKToolRoot = Join-Path -Path $wdk -ChildPath "tools\$kit"
    WindowsSdkBinPath = Join-Path -Path $sdk -ChildPath 'bin'
}
foreach ($name in $variables.Keys) {
    $value = $variables[$name]
    if ($name -ne 'Version_Number' -and -not (Test-Path -LiteralPath $value -PathType Container)) {
        throw "The package has no folder $value."
    }
    Set-Item -Path "Env:$name" -Value $value
    if (Test-Path -Path Env:GITHUB_ENV) {
        "$name=$value" | Add-Content -LiteralPath $env:GITHUB_ENV -Encoding utf8
    }
    Write-Output "$name=$value"
}
