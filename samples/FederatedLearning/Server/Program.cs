using FederatedLearning.Server;

try
{
    await using var app = ServerApp.Create(args);
    var training = app.Services.GetRequiredService<TrainingService>(); // before the end, which disposes the services
    await app.RunAsync();
    return training.ExitCode;
}
catch (Exception error) when (error is InvalidOperationException or IOException)
{
    // A setting is wrong, a library is missing, or a port is taken: the message says which.
    Console.Error.WriteLine($"The server cannot start: {error.Message}");
    return 1;
}
