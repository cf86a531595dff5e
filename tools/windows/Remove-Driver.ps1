<#
.SYNOPSIS
Takes a driver package off its devices and out of the driver store.

.DESCRIPTION
Finds the package by the name of its INF file, and removes every version of it by pnputil. An extension's filter leaves the
devices, which keep their base driver. With -RemoveDevice the software devices with that hardware ID go first.

Start it in an elevated PowerShell.

.PARAMETER Inf
Name of the INF file, for example write_filter.inf.

.PARAMETER RemoveDevice
Hardware ID of the devices that devgen made.

.EXAMPLE
.\Remove-Driver.ps1 -Inf write_filter.inf

.EXAMPLE
.\Remove-Driver.ps1 -Inf write_filter_base.inf -RemoveDevice 'root\KMDF_WRITE_FILTER_TEST'
#>
#Requires -Version 5.1
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
param(
    [Parameter(Mandatory)]
    [ValidatePattern('^[^\\/]+\.inf$')]
    [string] $Inf,

    [ValidatePattern('\\')]
    [string] $RemoveDevice
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

Assert-Administrator

$restartNeeded = 3010

if ($RemoveDevice) {
    $devgen = Find-WdkTool -Name 'devgen.exe' -Under 'Tools'
    foreach ($instance in Find-Instance -HardwareId $RemoveDevice) {
        if ($PSCmdlet.ShouldProcess($instance, 'Remove the device')) {
            Invoke-Tool -Path $devgen -Arguments '/remove', $instance | Out-Null
        }
    }
}

# Not by the text of pnputil, which is in the language of the system.
$packages = @(Get-WindowsDriver -Online |
        Where-Object { (Split-Path -Path $_.OriginalFileName -Leaf) -eq $Inf })
if ($packages.Count -eq 0) {
    Write-Warning "$Inf is not in the driver store."
}
foreach ($package in $packages) {
    if ($PSCmdlet.ShouldProcess("$($package.Driver) ($Inf, version $($package.Version))", 'Remove the package')) {
        $removed = Invoke-Tool -Path 'pnputil.exe' -Expected 0, $restartNeeded `
            -Arguments '/delete-driver', $package.Driver, '/uninstall'
        $removed.Output | Write-Verbose
        if ($removed.ExitCode -eq $restartNeeded) {
            Write-Warning 'Restart Windows: until then the driver is still loaded.'
        }
    }
}
