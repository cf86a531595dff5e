<#
.SYNOPSIS
Writes files of several sizes to a device, plainly and overlapped, and checks the counts.

.DESCRIPTION
Runs kmdf-app over block sizes and numbers of writes under way. The device has to take everything: for usb_bulk one whose
endpoint sinks data, for write_filter one whose function driver takes writes.

What is on the device is overwritten from its beginning.

.PARAMETER Program
Path of kmdf-app.exe.

.PARAMETER InstanceId
Instance ID of the device.

.PARAMETER Interface
Class of an interface that only this device has, instead; that of usb_bulk is 5d9f1c3e-0b52-4c1e-9a63-2f8d7b1e4a60.

.PARAMETER Length
Bytes in one run.

.OUTPUTS
An object for every run, with Passed and what the program said. The script ends with an error if one did not pass.

.EXAMPLE
.\Invoke-WriteTest.ps1 -Program .\kmdf-app.exe -Interface 5d9f1c3e-0b52-4c1e-9a63-2f8d7b1e4a60
#>
#Requires -Version 5.1
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High', DefaultParameterSetName = 'Interface')]
[OutputType([pscustomobject])]
param(
    [Parameter(Mandatory)]
    [ValidateScript({ Test-Path -LiteralPath $_ -PathType Leaf })]
    [string] $Program,

    [Parameter(Mandatory, ParameterSetName = 'InstanceId')]
    [string] $InstanceId,

    [Parameter(Mandatory, ParameterSetName = 'Interface')]
    [guid] $Interface,

    [ValidateRange(1, 1073741824)]
    [int] $Length = 16777216
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
Import-Module -Name (Join-Path -Path $PSScriptRoot -ChildPath 'KmdfTest.psm1') -Force

$device = if ($PSCmdlet.ParameterSetName -eq 'InstanceId') {
    '--instance', $InstanceId
}
else {
    '--interface', $Interface.ToString()
}
if (-not $PSCmdlet.ShouldProcess($device[1], "Write $Length bytes, many times")) {
    return
}

$file = New-TemporaryFile
try {
    $data = [byte[]]::new($Length)
    [Random]::new(1).NextBytes($data)
    [IO.File]::WriteAllBytes($file.FullName, $data)

    $failed = 0
    # One that is no multiple of a sector or packet, the drivers' piece, and one that they divide.
    foreach ($block in 511, 65536, 1048576) {
        foreach ($overlapped in 0, 1, 4, 16) {
            $arguments = $device + @('--block', "$block")
            if ($overlapped -gt 0) {
                $arguments += '--overlapped', "$overlapped"
            }
            $run = Invoke-Tool -Path $Program -Arguments ($arguments + $file.FullName) -Expected 0, 1
            if ($run.ExitCode -ne 0) {
                $failed++
            }
            [pscustomobject]@{
                Block = $block
                Overlapped = $overlapped
                Passed = $run.ExitCode -eq 0
                Said = $run.Output -join ' '
            }
        }
    }
}
finally {
    Remove-Item -LiteralPath $file.FullName
}
if ($failed -gt 0) {
    throw "$failed runs did not pass."
}
