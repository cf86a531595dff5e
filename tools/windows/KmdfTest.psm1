# What the scripts of this folder share.

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

function Assert-Administrator {
    <#
    .SYNOPSIS
    Ends with an error unless the session is elevated.
    #>
    [CmdletBinding()]
    param()

    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = [Security.Principal.WindowsPrincipal]::new($identity)
    if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw 'Start PowerShell as administrator.'
    }
}

function Invoke-Tool {
    <#
    .SYNOPSIS
    Runs a program and ends with an error on an exit code that is not expected.

    .PARAMETER Path
    The program.

    .PARAMETER Arguments
    Its arguments.

    .PARAMETER Expected
    Exit codes that are no error.

    .OUTPUTS
    An object with ExitCode, and Output: the lines of the standard output and of the standard error.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [string] $Path,
        [string[]] $Arguments = @(),
        [int[]] $Expected = @(0)
    )

    Write-Verbose "$Path $($Arguments -join ' ')"
    # Windows PowerShell 5.1 makes an error record of every line on the standard error.
    $previous = $ErrorActionPreference
    $ErrorActionPreference = 'Continue'
    try {
        $lines = @(& $Path @Arguments 2>&1 | ForEach-Object { "$_" })
    }
    finally {
        $ErrorActionPreference = $previous
    }
    $code = $LASTEXITCODE
    if ($Expected -notcontains $code) {
        throw "$Path $($Arguments -join ' ') ended with $code.`n$($lines -join "`n")"
    }
    [pscustomobject]@{ ExitCode = $code; Output = $lines }
}

function Find-Instance {
    <#
    .SYNOPSIS
    The instance IDs of present devices with a hardware ID.

    .PARAMETER HardwareId
    One of the hardware IDs, as in the INF.
    #>
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string] $HardwareId)

    foreach ($device in Get-PnpDevice -PresentOnly) {
        $property = Get-PnpDeviceProperty -InstanceId $device.InstanceId `
            -KeyName 'DEVPKEY_Device_HardwareIds'
        if (@($property.Data) -contains $HardwareId) {
            $device.InstanceId
        }
    }
}

function Get-DriverStack {
    <#
    .SYNOPSIS
    The services of the drivers of a device, from the top of its stack to the bottom.

    .PARAMETER InstanceId
    Instance ID of the device.
    #>
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [string] $InstanceId)

    # Names of driver objects, of which the last part is the service.
    $property = Get-PnpDeviceProperty -InstanceId $InstanceId -KeyName 'DEVPKEY_Device_Stack'
    foreach ($driver in @($property.Data | Where-Object { $_ })) {
        Split-Path -Path $driver -Leaf
    }
}

function Find-WdkTool {
    <#
    .SYNOPSIS
    The path of a tool of the WDK or of the debuggers.

    .PARAMETER Name
    Name of the program.

    .PARAMETER Under
    Folder of the kit to look in.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [string] $Name,
        [ValidateSet('Tools', 'Debuggers', 'bin')] [string] $Under = 'Tools'
    )

    $command = Get-Command -Name $Name -CommandType Application -ErrorAction SilentlyContinue |
        Select-Object -First 1
    if ($null -ne $command) {
        return $command.Source
    }
    $root = Join-Path -Path ${env:ProgramFiles(x86)} -ChildPath "Windows Kits\10\$Under"
    $architecture = if ($env:PROCESSOR_ARCHITECTURE -eq 'ARM64') { 'arm64' } else { 'x64' }
    $found = Get-ChildItem -Path $root -Filter $Name -Recurse -File -ErrorAction SilentlyContinue |
        Where-Object { $_.Directory.Name -eq $architecture } |
        Sort-Object -Property FullName |
        Select-Object -Last 1
    if ($null -eq $found) {
        throw "$Name is neither in PATH nor under $root. Copy it from a machine with the WDK."
    }
    $found.FullName
}

Export-ModuleMember -Function @(
    'Assert-Administrator'
    'Invoke-Tool'
    'Find-Instance'
    'Get-DriverStack'
    'Find-WdkTool'
)
