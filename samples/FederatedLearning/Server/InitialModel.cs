using FederatedLearning.Model;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;
using FederatedLearning.Training.Models;

namespace FederatedLearning.Server;

/// <summary>The model that a training begins with.</summary>
/// <param name="Config">How clients build it.</param>
/// <param name="Weights">Its untrained weights.</param>
public sealed record InitialModel(ModelConfig Config, ModelWeights Weights)
{
    /// <summary>
    /// The model that the settings describe. The server itself needs no data, but for the size of the images when they
    /// come from files.
    /// </summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static InitialModel From(IConfiguration configuration)
    {
        var settings = LearningSettings.From(name => configuration[name]);
        var config = settings.Files is { } files
            ? settings.ToModelConfig(IdxReader.Read(files.TestImages, files.TestLabels).Inputs)
            : settings.ToModelConfig();
        return new InitialModel(config, ModelFactory.Create(config));
    }
}
