<#
.SYNOPSIS
Shows the drivers of a device, from the top of its stack to the bottom.

.DESCRIPTION
Prints what pnputil says of the device: stack, services, and the drivers that were considered for it with their ranks. Then,
as an object, the services of its drivers from the top to the bottom, among which a filter of an extension INF has to stand.

.PARAMETER InstanceId
Instance ID of the device.

.PARAMETER HardwareId
A hardware ID of the device, instead.

.PARAMETER Filter
Name of a service. The script ends with an error if its driver is not in the stack.

.EXAMPLE
.\Show-DeviceStack.ps1 -HardwareId 'root\KMDF_WRITE_FILTER_TEST' -Filter kmdf_write_filter
#>
#Requires -Version 5.1
[CmdletBinding(DefaultParameterSetName = 'HardwareId')]
[OutputType([pscustomobject])]
param(
    [Parameter(Mandatory, ParameterSetName = 'InstanceId')]
    [string] $InstanceId,

    [Parameter(Mandatory, ParameterSetName = 'HardwareId')]
    [string] $HardwareId,

    [string] $Filter
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

$instances = if ($PSCmdlet.ParameterSetName -eq 'InstanceId') {
    @($InstanceId)
}
else {
    @(Find-Instance -HardwareId $HardwareId)
}
if ($instances.Count -eq 0) {
    throw "No device has the hardware ID $HardwareId."
}

foreach ($instance in $instances) {
    $shown = Invoke-Tool -Path 'pnputil.exe' `
        -Arguments '/enum-devices', '/instanceid', $instance, '/stack', '/services', '/drivers'
    $shown.Output | Write-Host

    $stack = @(Get-DriverStack -InstanceId $instance)
    [pscustomobject]@{
        InstanceId = $instance
        Stack = $stack
    }
    if ($Filter -and $stack -notcontains $Filter) {
        throw "$Filter is not in the stack of $instance."
    }
}
