using System.Runtime.InteropServices;
using ChildPrograms;
using ImageServer.Demo;

// The demonstration either is done in two minutes or has failed; served, it goes on until it is interrupted. What it
// started ends with it, however it ends.
bool serves = args is ["--serve", ..];
using var stop = new CancellationTokenSource(serves ? Timeout.InfiniteTimeSpan : TimeSpan.FromMinutes(2));
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, EndInOrder);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, EndInOrder);
using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, EndInOrder);
bool interrupted = false;

try
{
    if (serves)
    {
        await Serving.RunAsync(args[1..], stop.Token);
        return 0;
    }

    return await Demonstration.RunAsync(
        args is [var folder] ? folder : Path.Combine("artifacts", "image-server"), stop.Token) ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.WriteLine(interrupted ? "Interrupted." : "FAILED: it took longer than it may.");
    return interrupted && serves ? 0 : 1;
}
catch (Exception error) when (
    error is LocalBroker.BrokerUnavailableException or LocalBroker.PrivateRabbitMqNodeException or ProgramException)
{
    Console.WriteLine($"FAILED: {error.Message}");
    return 1;
}

void EndInOrder(PosixSignalContext context)
{
    context.Cancel = true;
    interrupted = true;
    stop.Cancel();
}
