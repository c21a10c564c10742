using System.Runtime.InteropServices;
using ChildPrograms;
using FederatedLearning.Comparison;
using LocalBroker;

// dotnet run -c Release --project samples/FederatedLearning/Comparison [-- PROTOCOLS=quic,dds HIDDEN_UNITS=2000 …]
// Trains the same model over each protocol alone. Ends with 0 when every protocol that can run here
// was measured.
using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(20));
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, EndInOrder);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, EndInOrder);
try
{
    return await ProtocolComparison.RunAsync(args, stop.Token) ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    Console.WriteLine("FAILED: interrupted, or it took longer than it may.");
    return 1;
}
catch (Exception error) when (error is BrokerUnavailableException or PrivateRabbitMqNodeException or ProgramException)
{
    Console.WriteLine($"FAILED: {error.Message}");
    return 1;
}

void EndInOrder(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}
